<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

/** The server was not reached, or the connection broke. */
final class ConnectionFailed extends Tap2Error
{
}
