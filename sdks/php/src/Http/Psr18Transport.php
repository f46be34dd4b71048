<?php

declare(strict_types=1);

namespace Tap2\Personalize\Http;

use Psr\Http\Client\ClientExceptionInterface;
use Psr\Http\Client\ClientInterface;
use Psr\Http\Message\RequestFactoryInterface;
use Psr\Http\Message\StreamFactoryInterface;
use Tap2\Personalize\Error\ConnectionFailed;

/** Sends through a PSR-18 client. Set its timeout yourself: PSR-18 has no way to give one with a request. */
final class Psr18Transport implements Transport
{
    public function __construct(
        private readonly ClientInterface $client,
        private readonly RequestFactoryInterface $requests,
        private readonly StreamFactoryInterface $streams,
    ) {
    }

    public function send(Request $request): Answer
    {
        $message = $this->requests->createRequest($request->method, $request->url);
        foreach ($request->headers as $name => $value) {
            $message = $message->withHeader($name, $value);
        }
        if ($request->body !== '') {
            $message = $message->withBody($this->streams->createStream($request->body));
        }
        try {
            $response = $this->client->sendRequest($message);
            $names = ['retry-after', 'deprecation', 'sunset', 'link'];
            $headers = array_combine($names, array_map($response->getHeaderLine(...), $names));
            return new Answer($response->getStatusCode(), $headers, (string) $response->getBody());
        } catch (ClientExceptionInterface $error) {
            throw new ConnectionFailed($error->getMessage(), 'network');
        }
    }
}
