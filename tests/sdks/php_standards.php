<?php

/** A client over a PSR-18 client and a PSR-3 logger, whose interfaces stand here as far as they are used. */

declare(strict_types=1);

namespace Psr\Http\Client {
    interface ClientExceptionInterface extends \Throwable
    {
    }
    interface ClientInterface
    {
        public function sendRequest(object $request): object;
    }
}

namespace Psr\Http\Message {
    interface RequestFactoryInterface
    {
        public function createRequest(string $method, string $uri): object;
    }
    interface StreamFactoryInterface
    {
        public function createStream(string $content = ''): object;
    }
}

namespace Psr\Log {
    interface LoggerInterface
    {
        public function warning(string $message, array $context = []): void;
        public function error(string $message, array $context = []): void;
    }
}

namespace Shop {
    use Psr\Http\Client\{ClientExceptionInterface, ClientInterface};
    use Psr\Http\Message\{RequestFactoryInterface, StreamFactoryInterface};
    use Psr\Log\LoggerInterface;
    use Tap2\Personalize\Http\Psr18Transport;
    use Tap2\Personalize\Personalize;

    require __DIR__ . '/../../sdks/php/autoload.php';

    final class Unreachable extends \Exception implements ClientExceptionInterface
    {
    }

    final class Message
    {
        public array $headers = [];
        public string $body = '';

        public function __construct(public string $method = '', public string $uri = '')
        {
        }

        public function withHeader(string $name, string $value): static
        {
            $copy = clone $this;
            $copy->headers[$name] = $value;
            return $copy;
        }

        public function withBody(object $body): static
        {
            $copy = clone $this;
            $copy->body = $body->text;
            return $copy;
        }

        public function getStatusCode(): int
        {
            return 200;
        }

        public function getHeaderLine(string $name): string
        {
            return [
                'deprecation' => '@1796083200',
                'sunset' => 'Tue, 01 Jun 2027 00:00:00 GMT',
                'link' => '</docs#post-decisions>; rel="deprecation"; type="text/html"',
            ][$name] ?? '';
        }

        public function getBody(): string
        {
            return '{"decision_id": "dec_1", "ranking": []}';
        }
    }

    final class Factory implements RequestFactoryInterface, StreamFactoryInterface
    {
        public function createRequest(string $method, string $uri): object
        {
            return new Message($method, $uri);
        }

        public function createStream(string $content = ''): object
        {
            return (object) ['text' => $content];
        }
    }

    final class Client implements ClientInterface
    {
        public ?Message $sent = null;
        private int $count = 0;

        public function sendRequest(object $request): object
        {
            if ($this->count++ === 2) {
                throw new Unreachable('no route');
            }
            return $this->sent = $request;
        }
    }

    final class Logger implements LoggerInterface
    {
        public array $logged = [];

        public function warning(string $message, array $context = []): void
        {
            $this->logged[] = ['warning', $message, $context];
        }

        public function error(string $message, array $context = []): void
        {
            $this->logged[] = ['error', $message, $context];
        }
    }

    $client = new Client();
    $factory = new Factory();
    $logger = new Logger();
    $transport = new Psr18Transport($client, $factory, $factory);
    $fallback = ['payment_methods' => ['card']];
    $tap2 = new Personalize('https://tap2.example/', 'sk_test_x', $fallback, logger: $logger, transport: $transport);
    $decision = $tap2->decide(['placement' => 'payment_methods']);
    $tap2->decide(['placement' => 'payment_methods']);
    $third = $tap2->decide(['placement' => 'payment_methods']);
    echo json_encode([
        'decision' => $decision['decision_id'],
        'sent' => [$client->sent->method, $client->sent->uri, $client->sent->headers['authorization']],
        'body' => json_decode($client->sent->body),
        'fallback' => (new \ReflectionClass($third['error']))->getShortName(),
        'logged' => $logger->logged,
    ]);
}
