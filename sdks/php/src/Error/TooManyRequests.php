<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

/** 429: the key or address has reached its limit. */
final class TooManyRequests extends Tap2Error
{
}
