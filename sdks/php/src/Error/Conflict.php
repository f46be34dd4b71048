<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

/** 409: the request contradicts what is stored. */
final class Conflict extends Tap2Error
{
}
