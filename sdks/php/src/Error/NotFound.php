<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

/** 404: it does not exist, or it belongs to another merchant. */
final class NotFound extends Tap2Error
{
}
