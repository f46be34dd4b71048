<?php

declare(strict_types=1);

namespace Tap2\Personalize;

use Closure;
use Psr\Log\LoggerInterface;
use Tap2\Personalize\Error\Forbidden;
use Tap2\Personalize\Error\Tap2Error;
use Tap2\Personalize\Http\StreamTransport;
use Tap2\Personalize\Http\Transport;
use Throwable;

/**
 * Ask for decisions and report outcomes.
 *
 * Answers are the documents of the API as arrays. One that says `'fallback' => true` with a `decision_id` of null is your
 * own order, and its `error` says why.
 *
 * @phpstan-type Order list<string|array{id: string, label: string}>
 * @phpstan-type Context array<string, array<string, mixed>>
 * @phpstan-type Candidate array{id: string, rank: int, label: string}
 * @phpstan-type Decision array{
 *     decision_id: ?string, placement: string, ranking: list<Candidate>, excluded: list<array{id: string}>,
 *     values: array<string, bool|int|float|string>, fallback: bool, token?: string, error?: Tap2Error
 * }
 * @phpstan-type Methods array{
 *     decision_id: ?string, methods: list<Candidate>, fallback: bool, token?: string, error?: Tap2Error
 * }
 */
final class Personalize
{
    private const DECISIONS = '/v1/personalize/decisions';
    private const METHODS = 'payment_methods';
    private const REDEMPTIONS = '/v1/redemptions';

    private readonly Sender $sender;
    private readonly Outbox $outbox;
    /** @var array<string, array<string, mixed>> */
    private array $unknown = [];

    /**
     * `timeout` is the longest time in seconds of `decide`, `decideAll`, `getMethods` and `offers`; `requestTimeout` that
     * of one attempt of everything else, which is repeated up to `retries` times, and `flushTimeout` that of `flush`, which
     * also ends the client. `fallback` has your own order of each
     * placement. `onError` is called with each error that a fallback order hides, and with each refused outcome; without
     * it, they go to `logger` as warnings.
     *
     * @param array<string, Order> $fallback
     * @param (Closure(Tap2Error, ?array<string, mixed>): void)|null $onError
     */
    public function __construct(
        string $url,
        private readonly string $key,
        private readonly array $fallback = [],
        private readonly float $timeout = 0.8,
        private readonly float $requestTimeout = 3.0,
        private readonly float $flushTimeout = 5.0,
        int $retries = 3,
        private readonly ?Closure $onError = null,
        private readonly ?LoggerInterface $logger = null,
        ?Transport $transport = null,
    ) {
        $this->sender = new Sender(rtrim($url, '/'), $key, $transport ?? new StreamTransport(), $retries, $logger);
        $this->outbox = new Outbox($this->sender, $requestTimeout);
    }

    /** Send what waits, and report what is left. */
    public function __destruct()
    {
        $this->flush();
        foreach ($this->pending() as $event) {
            $this->report(new Tap2Error('the outcome was not sent in time', 'closed'), $event);
        }
    }

    /**
     * Decide one placement. Throws `Tap2Error` only if the placement has no fallback order.
     *
     * @param array{placement: string, customer_id?: ?string, customer_token?: string, context?: ?Context,
     *     merchant_id?: ?string, personalization?: bool} $request
     * @param Order|null $fallback
     * @return Decision
     */
    public function decide(
        array $request,
        ?float $timeout = null,
        ?array $fallback = null,
        bool $explain = false,
    ): array {
        $path = self::DECISIONS . ($explain ? '?explain=true' : '');
        try {
            return $this->sender->inTime($path, $request, $timeout ?? $this->timeout);
        } catch (Tap2Error $error) {
            return $this->ownOrder($request['placement'], $error, $fallback);
        }
    }

    /**
     * Decide up to ten placements in one request.
     *
     * @param array{placements: list<string>, customer_id?: ?string, context?: ?Context, merchant_id?: ?string} $request
     * @param array<string, Order> $fallback
     * @return array{decisions: list<Decision|array{status: int, placement: string}>}
     */
    public function decideAll(array $request, ?float $timeout = null, array $fallback = []): array
    {
        $orders = $fallback + $this->fallback;
        try {
            $answer = $this->sender->inTime(self::DECISIONS . '/batch', $request, $timeout ?? $this->timeout);
        } catch (Tap2Error $error) {
            $own = fn (string $name): array => $this->ownOrder($name, $error, $orders[$name] ?? null);
            return ['decisions' => array_map($own, $request['placements'])];
        }
        $decisions = [];
        foreach ($answer['decisions'] as $item) {
            $order = isset($item['status']) ? $orders[$item['placement']] ?? null : null;
            $decisions[] = $order === null
                ? $item
                : $this->ownOrder($item['placement'], Tap2Error::ofProblem($item, (int) $item['status']), $order);
        }
        return ['decisions' => $decisions];
    }

    /**
     * Order the payment methods: the placement `payment_methods`. The customer's id never goes into a URL.
     *
     * @param Context|null $context
     * @param Order|null $fallback
     * @return Methods
     */
    public function getMethods(
        ?string $customerId = null,
        ?string $merchantId = null,
        ?array $context = null,
        ?float $timeout = null,
        ?array $fallback = null,
    ): array {
        $request = ['customer_id' => $customerId, 'merchant_id' => $merchantId, 'context' => $context];
        $decision = $this->decide(['placement' => self::METHODS] + $request, $timeout, $fallback);
        $extras = array_intersect_key($decision, array_flip(['token', 'warnings', 'error']));
        return [
            'decision_id' => $decision['decision_id'],
            'methods' => $decision['ranking'],
            'fallback' => $decision['fallback'],
        ] + $extras;
    }

    /**
     * Report an outcome; return its event id. It is sent by `flush`, or when the client ends.
     *
     * Give your order's id as `event_id` of purchases: it counts once, however often you report it.
     *
     * @param array<string, mixed> $event
     */
    public function trackFeedback(array $event): string
    {
        $event['event_id'] ??= bin2hex(random_bytes(16));
        if (array_key_exists('decision_id', $event) && $event['decision_id'] === null) {
            $message = 'the answer was the client\'s fallback order, which the server does not know';
            $receipt = ['event_id' => $event['event_id'], 'status' => 'unknown_decision', 'message' => $message];
            $this->unknown[$event['event_id']] = $receipt;
            return $event['event_id'];
        }
        if (!isset($event['occurred_at']) && !isset($event['timestamp'])) {
            $event['occurred_at'] = gmdate('Y-m-d\TH:i:s\Z');
        }
        Sender::json($event);
        $this->outbox->add($event);
        return $event['event_id'];
    }

    /**
     * Send what waits, repeating under the same ids until the time is over; return the receipts by event id.
     *
     * @return array<string, array{event_id: string, status: string, message?: string}>
     */
    public function flush(?float $seconds = null): array
    {
        $receipts = $this->unknown;
        $this->unknown = [];
        return $receipts + $this->outbox->flush($seconds ?? $this->flushTimeout, $this->report(...));
    }

    /**
     * Return the outcomes that the server has not answered. Store them where `flush` did not end in time, and report
     * them in a later request: their ids make each count once.
     *
     * @return list<array<string, mixed>>
     */
    public function pending(): array
    {
        return $this->outbox->pending();
    }

    /**
     * Show and hold offers; without an answer none is shown. Needs a secret key.
     *
     * @param array<string, mixed> $request
     * @return array<string, mixed>
     */
    public function offers(array $request = [], ?float $timeout = null): array
    {
        $this->checkSecret();
        try {
            return $this->sender->inTime('/v1/personalize/offers', $request, $timeout ?? $this->timeout);
        } catch (Tap2Error $error) {
            $this->report($error);
            $nothing = ['decision_id' => null, 'offers' => [], 'excluded' => [], 'fallback' => true];
            return $nothing + ['disclosure' => null, 'error' => $error];
        }
    }

    /**
     * Return a customer's variants in all running experiments. Needs a secret key.
     *
     * @param array<string, mixed> $request
     * @return array<string, mixed>
     */
    public function variants(array $request): array
    {
        return $this->again('POST', '/v1/personalize/variants', $request);
    }

    /**
     * Create the token with which a browser may name its customer. Needs a secret key.
     *
     * @return array{customer_token: string, expires_at: string}
     */
    public function customerToken(string $customerId, int $minutes = 30): array
    {
        $body = ['customer_id' => $customerId, 'minutes' => $minutes];
        return $this->again('POST', '/v1/personalize/customer-tokens', $body);
    }

    /**
     * Return whether an offer may be used, and what it would take off. Needs a secret key.
     *
     * @param array<string, mixed> $request
     * @return array<string, mixed>
     */
    public function validateOffer(array $request): array
    {
        return $this->again('POST', self::REDEMPTIONS . '/validate', $request);
    }

    /**
     * Hold an offer, such as for a code that the customer typed in. Needs a secret key.
     *
     * @param array<string, mixed> $request
     * @return array<string, mixed>
     */
    public function holdOffer(array $request, ?string $idempotencyKey = null): array
    {
        return $this->withKey('/hold', $request, $idempotencyKey);
    }

    /**
     * Redeem a hold. With your own `idempotencyKey`, also repeating this call has no second effect.
     *
     * @param array<string, mixed> $request
     * @return array<string, mixed>
     */
    public function redeem(array $request, ?string $idempotencyKey = null): array
    {
        return $this->withKey('/redeem', $request, $idempotencyKey);
    }

    /**
     * Release a hold, such as after a payment that failed. Needs a secret key.
     *
     * @return array<string, mixed>
     */
    public function release(string $holdId, ?string $idempotencyKey = null): array
    {
        return $this->withKey('/' . rawurlencode($holdId) . '/release', null, $idempotencyKey);
    }

    /**
     * Give the budget back its share of a discount; `amount` is what is refunded of the cart, in minor units.
     *
     * @return array<string, mixed>
     */
    public function refund(string $holdId, int $amount, ?string $idempotencyKey = null): array
    {
        return $this->withKey('/' . rawurlencode($holdId) . '/refund', ['amount' => $amount], $idempotencyKey);
    }

    /**
     * Return a hold as it is now. Needs a secret key.
     *
     * @return array<string, mixed>
     */
    public function redemption(string $holdId): array
    {
        return $this->again('GET', self::REDEMPTIONS . '/' . rawurlencode($holdId), null);
    }

    /**
     * @param array<string, mixed>|null $body
     * @return array<string, mixed>
     */
    private function withKey(string $path, ?array $body, ?string $key): array
    {
        $headers = ['idempotency-key' => $key ?? bin2hex(random_bytes(16))];
        return $this->again('POST', self::REDEMPTIONS . $path, $body, $headers);
    }

    /**
     * @param array<string, mixed>|null $body
     * @param array<string, string> $headers
     * @return array<string, mixed>
     */
    private function again(string $method, string $path, ?array $body, array $headers = []): array
    {
        $this->checkSecret();
        return $this->sender->again($method, $path, $body, $this->requestTimeout, $headers);
    }

    private function checkSecret(): void
    {
        if (!str_starts_with($this->key, 'sk_')) {
            throw new Forbidden('this needs a secret key, on your server', 'forbidden', 403);
        }
    }

    /**
     * @param Order|null $fallback
     * @return Decision
     */
    private function ownOrder(string $placement, Tap2Error $error, ?array $fallback): array
    {
        $order = $fallback ?? $this->fallback[$placement] ?? throw $error;
        $this->report($error);
        $ranking = [];
        foreach (array_values($order) as $index => $item) {
            $item = is_string($item) ? ['id' => $item] : $item;
            $ranking[] = ['id' => $item['id'], 'rank' => $index + 1, 'label' => $item['label'] ?? $item['id']];
        }
        return [
            'decision_id' => null,
            'placement' => $placement,
            'ranking' => $ranking,
            'excluded' => [],
            'values' => [],
            'fallback' => true,
            'error' => $error,
        ];
    }

    /**
     * Call `onError`, or log; never a customer's id. The checkout goes on, whatever its own reporting does.
     *
     * @param array<string, mixed>|null $event
     */
    private function report(Tap2Error $error, ?array $event = null): void
    {
        try {
            if ($this->onError !== null) {
                ($this->onError)($error, $event);
            } else {
                $context = ['code' => $error->reason, 'event_id' => $event['event_id'] ?? ''];
                $this->logger?->warning('tap2 personalize: ' . $error->getMessage(), $context);
            }
        } catch (Throwable $failure) {
            $this->logger?->error('tap2 personalize: onError failed', ['exception' => $failure]);
        }
    }
}
