<?php

declare(strict_types=1);

namespace Tap2\Personalize\Error;

/** 422: the idempotency key was sent before with other content. */
final class KeyReused extends Tap2Error
{
}
