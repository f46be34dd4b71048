<?php

/**
 * Many checkouts at once with the PHP client, each as a page of its own: `php benchmarks/clients/php_checkouts.php`.
 *
 * TAP2_URL and TAP2_KEY name the server, TAP2_CHECKOUTS the number; with TAP2_EVENTS, so many purchases are reported
 * instead. Prints `begun` in the middle of the checkouts, then a summary as JSON, as the drivers of other languages do.
 * Needs the extension pcntl: PHP has no threads, so that processes check out at once.
 */

declare(strict_types=1);

use Tap2\Personalize\Personalize;

require __DIR__ . '/../../sdks/php/autoload.php';

const AT_ONCE = 20;
const TIMEOUT = 0.3;
const MOST_LATE = 0.05;
const FLUSH = 0.1;
const LAST_FLUSH = 600.0;
const ORDER = ['paypal', 'card'];

function client(): Personalize
{
    return new Personalize(
        (string) getenv('TAP2_URL'),
        (string) getenv('TAP2_KEY'),
        fallback: ['payment_methods' => ORDER],
        timeout: TIMEOUT,
        requestTimeout: 0.7,
        flushTimeout: FLUSH,
        onError: static function (): void {
        },
    );
}

/** The checkouts of one process. What a page could not send is kept and sent by the next. */
final class Checkouts
{
    public int $late = 0;
    public int $wrong = 0;
    /** @var array<string, int> */
    public array $codes = [];
    /** @var array<string, list<string>> */
    public array $events = [];
    /** @var list<array<string, mixed>> */
    private array $waiting = [];

    public function page(int $number): void
    {
        $client = client();
        array_map($client->trackFeedback(...), $this->waiting);
        $due = microtime(true) + TIMEOUT;
        $decision = $client->decide(['placement' => 'payment_methods', 'customer_id' => "c_$number"]);
        $this->late += microtime(true) - $due > MOST_LATE ? 1 : 0;
        if ($decision['decision_id'] === null) {
            $code = $decision['error']->reason;
            $this->codes[$code] = ($this->codes[$code] ?? 0) + 1;
            $this->wrong += array_column($decision['ranking'], 'id') === ORDER ? 0 : 1;
        }
        $this->report($client, $decision['decision_id'], $decision['ranking'][0]['id']);
        $client->flush();
        $this->waiting = $client->pending();
        unset($client);
        usleep(max(0, (int) (($due - microtime(true)) * 1_000_000)));
    }

    /** Send what waits; return how much is left. */
    public function end(): int
    {
        $client = client();
        array_map($client->trackFeedback(...), $this->waiting);
        $client->flush(LAST_FLUSH);
        return count($client->pending());
    }

    private function report(Personalize $client, ?string $decision, string $candidate): void
    {
        foreach (['shown', 'selected', 'converted'] as $index => $type) {
            $event = ['event_id' => "$decision.$index", 'type' => $type, 'candidate_id' => $candidate];
            $client->trackFeedback($event + ['decision_id' => $decision]);
            if ($decision !== null) {
                $this->events[$decision][] = $event['event_id'];
            }
        }
    }
}

/**
 * Check out in so many processes; return the sum of what became of it.
 *
 * @return array<string, mixed>
 */
function checkouts(int $count): array
{
    client()->decide(['placement' => 'payment_methods'], 20.0);
    $files = [];
    for ($worker = 0; $worker < AT_ONCE; $worker++) {
        $files[] = $file = (string) tempnam(sys_get_temp_dir(), 'tap2');
        if (pcntl_fork() === 0) {
            file_put_contents($file, json_encode(work($worker, $count), JSON_THROW_ON_ERROR));
            exit(0);
        }
    }
    while (pcntl_wait($status) > 0);
    $sum = ['late' => 0, 'wrong' => 0, 'left' => 0, 'codes' => [], 'events' => []];
    foreach ($files as $file) {
        $part = json_decode((string) file_get_contents($file), true, 512, JSON_THROW_ON_ERROR);
        unlink($file);
        foreach (['late', 'wrong', 'left'] as $name) {
            $sum[$name] += $part[$name];
        }
        foreach ($part['codes'] as $code => $times) {
            $sum['codes'][$code] = ($sum['codes'][$code] ?? 0) + $times;
        }
        $sum['events'] += $part['events'];
    }
    return $sum;
}

/** @return array<string, mixed> */
function work(int $worker, int $count): array
{
    $checkouts = new Checkouts();
    for ($number = $worker; $number < $count; $number += AT_ONCE) {
        if ($number === intdiv($count, 2)) {
            echo "begun\n";
        }
        $checkouts->page($number);
    }
    return ['left' => $checkouts->end()] + get_object_vars($checkouts);
}

/** @return array<string, mixed> */
function purchases(int $count): array
{
    $client = client();
    for ($number = 0; $number < $count; $number++) {
        $event = ['event_id' => "event-$number", 'customer_id' => 'c_' . $number % 100, 'method_id' => 'card'];
        $client->trackFeedback($event);
    }
    $client->flush(LAST_FLUSH);
    return ['late' => 0, 'wrong' => 0, 'left' => count($client->pending()), 'codes' => [], 'events' => []];
}

$count = (int) getenv('TAP2_CHECKOUTS');
$summary = $count > 0 ? checkouts($count) : purchases((int) getenv('TAP2_EVENTS'));
$summary['codes'] = (object) $summary['codes'];
$summary['events'] = (object) $summary['events'];
echo json_encode($summary, JSON_THROW_ON_ERROR), "\n";
