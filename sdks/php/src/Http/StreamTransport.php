<?php

declare(strict_types=1);

namespace Tap2\Personalize\Http;

use Tap2\Personalize\Error\ConnectionFailed;
use Tap2\Personalize\Error\RequestTimeout;

/**
 * Sends by PHP's own streams, with a connection for each request.
 *
 * Everything but the look-up of the server's name ends in time, also an answer that drips.
 */
final class StreamTransport implements Transport
{
    private const PIECE = 65_536;
    private const MOST_BYTES = 8_388_608;

    public function send(Request $request): Answer
    {
        $end = microtime(true) + $request->timeout;
        $stream = $this->connect($request, $end);
        try {
            $this->write($stream, $this->message($request), $request, $end);
            return $this->read($stream, $request, $end);
        } finally {
            fclose($stream);
        }
    }

    /** @return resource */
    private function connect(Request $request, float $end)
    {
        $parts = parse_url($request->url);
        $tls = $parts['scheme'] === 'https';
        $address = ($tls ? 'tls' : 'tcp') . "://{$parts['host']}:" . ($parts['port'] ?? ($tls ? 443 : 80));
        $context = stream_context_create(['ssl' => ['peer_name' => trim($parts['host'], '[]')]]);
        $left = max(0.001, $end - microtime(true));
        $stream = @stream_socket_client($address, $number, $message, $left, STREAM_CLIENT_CONNECT, $context);
        if ($stream === false) {
            throw microtime(true) >= $end ? $this->late($request) : $this->broken($message);
        }
        stream_set_blocking($stream, false);
        return $stream;
    }

    private function message(Request $request): string
    {
        $parts = parse_url($request->url);
        $target = ($parts['path'] ?? '/') . (isset($parts['query']) ? "?{$parts['query']}" : '');
        $host = $parts['host'] . (isset($parts['port']) ? ":{$parts['port']}" : '');
        $headers = $request->headers + ['host' => $host, 'connection' => 'close'];
        if ($request->method !== 'GET') {
            $headers['content-length'] = (string) strlen($request->body);
        }
        $lines = array_map(static fn ($name, $value) => "$name: $value", array_keys($headers), $headers);
        return "$request->method $target HTTP/1.1\r\n" . implode("\r\n", $lines) . "\r\n\r\n$request->body";
    }

    /** @param resource $stream */
    private function write($stream, string $message, Request $request, float $end): void
    {
        while ($message !== '') {
            $written = @fwrite($stream, $message);
            if ($written === false) {
                throw $this->broken('the connection broke');
            }
            $message = substr($message, $written);
            if ($message !== '') {
                $this->wait($stream, true, $request, $end);
            }
        }
    }

    /** @param resource $stream */
    private function read($stream, Request $request, float $end): Answer
    {
        $raw = '';
        while (($answer = $this->parse($raw, false)) === null) {
            $piece = @fread($stream, self::PIECE);
            if ($piece === false || ($piece === '' && feof($stream))) {
                return $this->parse($raw, true) ?? throw $this->broken('the connection broke');
            }
            $raw .= $piece;
            if (strlen($raw) > self::MOST_BYTES) {
                throw $this->broken('the answer is too large');
            }
            if ($piece === '' || microtime(true) >= $end) {
                $this->wait($stream, false, $request, $end);
            }
        }
        return $answer;
    }

    /** @param resource $stream */
    private function wait($stream, bool $forWriting, Request $request, float $end): void
    {
        $left = $end - microtime(true);
        $reading = $forWriting ? [] : [$stream];
        $writing = $forWriting ? [$stream] : [];
        $none = [];
        if ($left <= 0 || !@stream_select($reading, $writing, $none, 0, (int) ($left * 1_000_000))) {
            throw $this->late($request);
        }
    }

    /** Return the answer, or null while it is not complete. Without a length, it is complete at the `end`. */
    private function parse(string $raw, bool $ended): ?Answer
    {
        $end = strpos($raw, "\r\n\r\n");
        if ($end === false || !preg_match('#\AHTTP/1\.[01] (\d{3})#', $raw, $match)) {
            return null;
        }
        $headers = [];
        foreach (array_slice(explode("\r\n", substr($raw, 0, $end)), 1) as $line) {
            [$name, $value] = explode(':', $line, 2) + [1 => ''];
            $headers[strtolower($name)] = trim($value);
        }
        if (strtolower($headers['transfer-encoding'] ?? '') === 'chunked') {
            $body = $this->withoutChunks(substr($raw, $end + 4));
        } else {
            $ended = isset($headers['content-length'])
                ? strlen($raw) - $end - 4 >= (int) $headers['content-length']
                : $ended;
            $body = $ended ? substr($raw, $end + 4) : null;
        }
        return $body === null ? null : new Answer((int) $match[1], $headers, $body);
    }

    /** Return a body that was sent in chunks, or null while the last one is missing. */
    private function withoutChunks(string $raw): ?string
    {
        $body = '';
        while (preg_match('/\A([0-9a-fA-F]{1,8})[^\r\n]*\r\n/', $raw, $match)) {
            $length = (int) hexdec($match[1]);
            $start = strlen($match[0]);
            if ($length === 0) {
                return $body;
            }
            if (strlen($raw) < $start + $length + 2) {
                return null;
            }
            $body .= substr($raw, $start, $length);
            $raw = substr($raw, $start + $length + 2);
        }
        return null;
    }

    private function late(Request $request): RequestTimeout
    {
        return new RequestTimeout(sprintf('no answer within %.0f ms', $request->timeout * 1000), 'timeout');
    }

    private function broken(string $message): ConnectionFailed
    {
        return new ConnectionFailed($message ?: 'the connection failed', 'network');
    }
}
