<?php

/** Decide with the client that openapi-generator made; the arguments are its folder, the server and a key. */

declare(strict_types=1);

require '/usr/share/php/GuzzleHttp/autoload.php';

[, $folder, $server, $key] = $argv;
spl_autoload_register(static function (string $class) use ($folder): void {
    if (str_starts_with($class, 'OpenAPI\\Client\\')) {
        require $folder . '/lib/' . str_replace('\\', '/', substr($class, strlen('OpenAPI\\Client\\'))) . '.php';
    }
});
$configuration = (new OpenAPI\Client\Configuration())->setHost($server)->setAccessToken($key);
$api = new OpenAPI\Client\Api\DecideApi(new GuzzleHttp\Client(), $configuration);
$request = new OpenAPI\Client\Model\DecisionRequest([
    'placement' => 'payment_methods',
    'customer_id' => 'c_123',
    'context' => ['geo' => ['country' => 'DE'], 'cart' => ['total' => 12900, 'currency' => 'EUR']],
]);
$decision = $api->postDecisions($request);
echo implode(',', array_map(static fn ($ranked) => $ranked->getId(), $decision->getRanking())), "\n";
