<?php

declare(strict_types=1);

namespace Tap2\Personalize;

use InvalidArgumentException;
use JsonException;
use Psr\Log\LoggerInterface;
use Tap2\Personalize\Error\ServerError;
use Tap2\Personalize\Error\Tap2Error;
use Tap2\Personalize\Http\Request;
use Tap2\Personalize\Http\Transport;
use Throwable;

/** Sends JSON and decides what is repeated. */
final class Sender
{
    private const FIRST_WAIT = 0.2;
    private const LONGEST_WAIT = 30.0;
    private const LONGEST_RETRY_AFTER = 10.0;
    /** @var array<string, true> Deprecated operations that were logged, by their documentation. */
    private array $noted = [];

    public function __construct(
        private readonly string $url,
        private readonly string $key,
        private readonly Transport $transport,
        private readonly int $retries,
        private readonly ?LoggerInterface $logger = null,
    ) {
        $parts = parse_url($url);
        if (!in_array($parts['scheme'] ?? '', ['http', 'https'], true) || !isset($parts['host'])) {
            throw new InvalidArgumentException('url must be an http or https address');
        }
    }

    /**
     * Return the seconds before the next attempt: exponential with full jitter, never less than the server said.
     */
    public static function backoff(int $attempt, ?float $retryAfter): float
    {
        $longest = min(self::LONGEST_WAIT, self::FIRST_WAIT * 2 ** min($attempt, 10));
        return ($retryAfter ?? 0.0) + random_int(0, 1_000_000) / 1_000_000 * $longest;
    }

    public static function pause(float $seconds): void
    {
        usleep((int) ceil($seconds * 1_000_000));
    }

    /**
     * Return JSON text; raise `JsonException` for what it cannot hold.
     *
     * @param array<array-key, mixed> $document
     */
    public static function json(array $document): string
    {
        // PHP's empty array would become a list.
        if (($document['context'] ?? null) === []) {
            $document['context'] = (object) [];
        }
        $flags = JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION;
        return json_encode($document, $flags);
    }

    /**
     * Send once.
     *
     * @param array<array-key, mixed>|null $body
     * @param array<string, string> $headers
     * @return array<array-key, mixed>
     */
    public function once(string $method, string $path, ?array $body, float $timeout, array $headers = []): array
    {
        $headers += ['authorization' => "Bearer $this->key", 'accept' => 'application/json'];
        if ($body !== null) {
            $headers['content-type'] = 'application/json';
        }
        // A request without fields is an object, too.
        $text = $body === null ? '' : ($body === [] ? '{}' : self::json($body));
        $answer = $this->transport->send(new Request($method, $this->url . $path, $headers, $text, $timeout));
        $this->noteDeprecation($answer->headers);
        if ($answer->status < 200 || $answer->status > 299) {
            throw Tap2Error::of($answer);
        }
        try {
            $document = json_decode($answer->body, true, 512, JSON_THROW_ON_ERROR);
        } catch (JsonException) {
            $document = null;
        }
        return is_array($document) ? $document : throw new ServerError('the answer is not JSON', 'unexpected', 502);
    }

    /**
     * Log a warning once of each operation that the server will remove.
     *
     * @param array<string, string> $headers
     */
    private function noteDeprecation(array $headers): void
    {
        if (($headers['deprecation'] ?? '') === '') {
            return;
        }
        $about = preg_match('/<(.*?)>/', $headers['link'] ?? '', $match) === 1 ? $match[1] : '';
        if (!isset($this->noted[$about])) {
            $this->noted[$about] = true;
            $end = $headers['sunset'] ?? 'a while';
            try {
                $this->logger?->warning("tap2 personalize: upgrade this client, or it fails after $end: $about");
            } catch (Throwable) {
                // The checkout goes on, whatever its own logger does.
            }
        }
    }

    /**
     * Send within a time; repeat only where the server said that it did nothing, and only if that still ends in time.
     *
     * @param array<string, mixed> $body
     * @return array<array-key, mixed>
     */
    public function inTime(string $path, array $body, float $timeout): array
    {
        $end = microtime(true) + $timeout;
        for ($attempt = 0; ; $attempt++) {
            try {
                return $this->once('POST', $path, $body, max(0.0, $end - microtime(true)));
            } catch (Tap2Error $error) {
                $seconds = self::backoff($attempt, $error->retryAfter);
                if (!$error->wasNotHandled() || microtime(true) + $seconds >= $end) {
                    throw $error;
                }
                self::pause($seconds);
            }
        }
    }

    /**
     * Send several times: only for what has no second effect when it is sent again.
     *
     * @param array<string, mixed>|null $body
     * @param array<string, string> $headers
     * @return array<array-key, mixed>
     */
    public function again(string $method, string $path, ?array $body, float $timeout, array $headers = []): array
    {
        for ($attempt = 0; ; $attempt++) {
            try {
                return $this->once($method, $path, $body, $timeout, $headers);
            } catch (Tap2Error $error) {
                $soon = ($error->retryAfter ?? 0.0) <= self::LONGEST_RETRY_AFTER;
                if (!$error->isTemporary() || !$soon || $attempt === $this->retries) {
                    throw $error;
                }
                self::pause(self::backoff($attempt, $error->retryAfter));
            }
        }
    }
}
