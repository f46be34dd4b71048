<?php

declare(strict_types=1);

namespace Tap2\Personalize\Http;

/** A request to carry out within `timeout` seconds in all. */
final class Request
{
    /** @param array<string, string> $headers */
    public function __construct(
        public readonly string $method,
        public readonly string $url,
        public readonly array $headers,
        public readonly string $body,
        public readonly float $timeout,
    ) {
    }
}
