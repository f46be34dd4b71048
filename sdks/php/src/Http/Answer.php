<?php

declare(strict_types=1);

namespace Tap2\Personalize\Http;

/** A response; `headers` have lowercase names. */
final class Answer
{
    /** @param array<string, string> $headers */
    public function __construct(
        public readonly int $status,
        public readonly array $headers,
        public readonly string $body,
    ) {
    }

    /** Return the seconds that the server asks to wait, or null. */
    public function retryAfter(): ?float
    {
        $text = $this->headers['retry-after'] ?? '';
        return is_numeric($text) && $text >= 0 && is_finite((float) $text) ? (float) $text : null;
    }
}
