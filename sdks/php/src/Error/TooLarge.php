<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

/** 413: the body is too large. */
final class TooLarge extends Tap2Error
{
}
