<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

/** No answer came within the time. */
final class RequestTimeout extends Tap2Error
{
}
