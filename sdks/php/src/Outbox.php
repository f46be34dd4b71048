<?php

declare(strict_types=1);

namespace Tap2\Personalize;

use Closure;
use Tap2\Personalize\Error\ServerError;
use Tap2\Personalize\Error\Tap2Error;

/** Outcomes on their way to the server: kept until it has answered, sent again under the same event id. */
final class Outbox
{
    private const PATH = '/v1/personalize/feedback';
    private const MOST_AT_ONCE = 50;

    /** @var list<array<string, mixed>> */
    private array $events = [];
    private int $atOnce = self::MOST_AT_ONCE;

    public function __construct(private readonly Sender $sender, private readonly float $timeout)
    {
    }

    /** @param array<string, mixed> $event */
    public function add(array $event): void
    {
        $this->events[] = $event;
    }

    /** @return list<array<string, mixed>> */
    public function pending(): array
    {
        return $this->events;
    }

    /**
     * Send until nothing is left or the time is over; return the receipts by event id.
     *
     * @param Closure(Tap2Error, array<string, mixed>): void $onRefusal
     * @return array<string, array<string, mixed>>
     */
    public function flush(float $seconds, Closure $onRefusal): array
    {
        $end = microtime(true) + $seconds;
        $receipts = [];
        $failures = 0;
        while ($this->events !== [] && ($left = $end - microtime(true)) > 0) {
            $batch = array_slice($this->events, 0, $this->atOnce);
            try {
                $receipts = array_replace($receipts, $this->send($batch, min($this->timeout, $left)));
                $failures = 0;
                $this->atOnce = min(self::MOST_AT_ONCE, $this->atOnce * 2);
            } catch (Tap2Error $error) {
                if ($error->isTemporary()) {
                    $pause = Sender::backoff($failures++, $error->retryAfter);
                    if (microtime(true) + $pause >= $end) {
                        break;
                    }
                    Sender::pause($pause);
                } elseif (count($batch) > 1 && $error->status !== 401) {
                    // A list is refused as a whole for one of its outcomes; with a wrong key, all are.
                    $this->atOnce = 1;
                } else {
                    array_splice($this->events, 0, count($batch));
                    array_map(static fn (array $event) => $onRefusal($error, $event), $batch);
                }
            }
        }
        return $receipts;
    }

    /**
     * @param list<array<string, mixed>> $batch
     * @return array<string, array<string, mixed>>
     */
    private function send(array $batch, float $timeout): array
    {
        $answer = $this->sender->once('POST', self::PATH, $batch, $timeout);
        $results = $answer['results'] ?? null;
        if (!is_array($results) || count($results) !== count($batch)) {
            throw new ServerError('no receipts', 'unexpected', 502);
        }
        array_splice($this->events, 0, count($batch));
        return array_column($results, null, 'event_id');
    }
}
