<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

/** 503: nothing was changed; the same request may be sent again. */
final class Unavailable extends ServerError
{
}
