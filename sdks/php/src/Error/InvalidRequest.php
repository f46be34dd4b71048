<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

/** 400: a value is missing or wrong; `errors` lists every problem. */
final class InvalidRequest extends Tap2Error
{
}
