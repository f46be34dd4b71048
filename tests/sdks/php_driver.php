<?php

/** Carries out the calls of a test and prints what they return, as JSON; errors as their class and fields. */

declare(strict_types=1);

use Tap2\Personalize\Error\Tap2Error;
use Tap2\Personalize\Personalize;

require __DIR__ . '/../../sdks/php/autoload.php';

/** @return mixed */
function plain(mixed $value): mixed
{
    if ($value instanceof Tap2Error) {
        $kind = (new ReflectionClass($value))->getShortName();
        $fields = ['code' => $value->reason, 'status' => $value->status, 'field' => $value->field];
        return ['error' => $kind, 'message' => $value->getMessage(), 'retry_after' => $value->retryAfter] + $fields;
    }
    if ($value instanceof Throwable) {
        return ['error' => (new ReflectionClass($value))->getShortName(), 'message' => $value->getMessage()];
    }
    return is_array($value) ? array_map(plain(...), $value) : $value;
}

['options' => $options, 'calls' => $calls] = json_decode(stream_get_contents(STDIN), true);
$reported = [];
if ($options['failing'] ?? false) {
    $options['onError'] = static fn () => throw new LogicException();
} else {
    $options['onError'] = static function (Tap2Error $error, ?array $event) use (&$reported): void {
        $reported[] = [$error->reason, $event['event_id'] ?? null];
    };
}
unset($options['failing']);
$results = [];
$client = new Personalize(...$options);
foreach ($calls as [$method, $arguments]) {
    $began = microtime(true);
    try {
        $result = $client->$method(...$arguments);
    } catch (Throwable $error) {
        $result = $error;
    }
    $results[] = ['result' => plain($result), 'seconds' => microtime(true) - $began];
}
unset($client);
echo json_encode(['results' => $results, 'reported' => $reported], JSON_THROW_ON_ERROR);
