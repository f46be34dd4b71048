<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

use RuntimeException;
use Tap2\Personalize\Http\Answer;

/**
 * A request that failed.
 *
 * `reason` is the last part of the problem's `type` (RFC 9457), or `timeout` or `network`; `status` is the HTTP status,
 * 0 without an answer; `field` is the path of the invalid value; `retryAfter` is in seconds.
 */
class Tap2Error extends RuntimeException
{
    private const PREFIX = 'urn:tap2:problem:';
    private const KINDS = [
        400 => InvalidRequest::class,
        401 => Unauthorized::class,
        403 => Forbidden::class,
        404 => NotFound::class,
        409 => Conflict::class,
        413 => TooLarge::class,
        422 => KeyReused::class,
        429 => TooManyRequests::class,
        503 => Unavailable::class,
    ];

    /** @param list<array{field: string, message: string}> $errors */
    final public function __construct(
        string $message,
        public readonly string $reason = 'unexpected',
        public readonly int $status = 0,
        public readonly string $field = '',
        public readonly array $errors = [],
        public readonly ?float $retryAfter = null,
    ) {
        parent::__construct($message);
    }

    /** Return the error that an answer means; a proxy may have written its body. */
    public static function of(Answer $answer): self
    {
        $problem = json_decode($answer->body, true);
        return self::ofProblem(is_array($problem) ? $problem : [], $answer->status, $answer->retryAfter());
    }

    /**
     * Return the error of a problem, such as that of one placement of a batch.
     *
     * @param array<string, mixed> $problem
     */
    public static function ofProblem(array $problem, int $status, ?float $retryAfter = null): self
    {
        $type = self::text($problem, 'type');
        $known = str_starts_with($type, self::PREFIX);
        $message = self::text($problem, 'detail') ?: self::text($problem, 'title') ?: "HTTP status $status";
        $kind = self::KINDS[$status] ?? ($status >= 500 ? ServerError::class : self::class);
        return new $kind(
            $message,
            $known ? substr($type, strlen(self::PREFIX)) : 'unexpected',
            $status,
            self::text($problem, 'field'),
            is_array($problem['errors'] ?? null) ? array_values($problem['errors']) : [],
            $retryAfter,
        );
    }

    /** Return whether the same request may succeed later. */
    public function isTemporary(): bool
    {
        return $this->status === 0 || $this->status === 429 || $this->status >= 500;
    }

    /** Return whether the server says that it has done nothing, and when to ask again. */
    public function wasNotHandled(): bool
    {
        return in_array($this->status, [429, 503], true) && $this->retryAfter !== null;
    }

    /** @param array<string, mixed> $problem */
    private static function text(array $problem, string $name): string
    {
        return is_string($problem[$name] ?? null) ? $problem[$name] : '';
    }
}
