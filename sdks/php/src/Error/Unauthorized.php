<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

/** 401: the key is missing, unknown, expired or revoked. */
final class Unauthorized extends Tap2Error
{
}
