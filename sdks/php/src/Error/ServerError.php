<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

/** 5xx: the server, or a proxy before it, failed. */
class ServerError extends Tap2Error
{
}
