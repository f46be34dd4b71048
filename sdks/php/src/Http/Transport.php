<?php

declare(strict_types=1);

namespace Tap2\Personalize\Http;

use Tap2\Personalize\Error\ConnectionFailed;
use Tap2\Personalize\Error\RequestTimeout;

/** Carries out requests. */
interface Transport
{
    /**
     * Send a request once and return the answer, whatever its status.
     *
     * @throws RequestTimeout
     * @throws ConnectionFailed
     */
    public function send(Request $request): Answer;
}
