<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

/** 403: the key does not permit this, or `merchant_id` is not the key's own. */
final class Forbidden extends Tap2Error
{
}
