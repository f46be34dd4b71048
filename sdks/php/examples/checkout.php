<?php

/**
 * A shop with one checkout page: `php -S 127.0.0.1:3000 examples/checkout.php`, beside a server that `make run` started.
 *
 * TAP2_URL is the server (default http://127.0.0.1:8000), TAP2_KEY a secret key. Without a server the page shows the
 * shop's own order.
 */

declare(strict_types=1);

use Tap2\Personalize\Personalize;

require __DIR__ . '/../autoload.php';

$tap2 = new Personalize(
    url: getenv('TAP2_URL') ?: 'http://127.0.0.1:8000',
    key: getenv('TAP2_KEY') ?: 'sk_test_missing',
    fallback: ['payment_methods' => [['id' => 'card', 'label' => 'Card'], ['id' => 'paypal', 'label' => 'PayPal']]],
);

if (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) === '/pay') {
    $decision = ($_GET['decision'] ?? '') ?: null;
    // A real shop gives its order's id, so that reloading this page counts nothing twice.
    $order = $tap2->trackFeedback([
        'event_id' => "paid-$decision",
        'decision_id' => $decision,
        'type' => 'converted',
        'candidate_id' => $_GET['method'] ?? null,
        'amount' => 4900,
        'currency' => 'EUR',
    ]);
    $status = $tap2->flush()[$order]['status'] ?? 'waiting';
    echo "<!doctype html><title>Paid</title><h1>Thank you</h1><p>Feedback: $status</p>";
    return;
}

$context = [
    'cart' => ['total' => 4900, 'currency' => 'EUR'],
    'geo' => ['country' => 'DE'],
    'device' => ['type' => 'desktop'],
];
$answer = $tap2->getMethods('c_123', null, $context);
$tap2->trackFeedback(['decision_id' => $answer['decision_id'], 'type' => 'shown']);
$decision = $answer['decision_id'] ?? '';
echo '<!doctype html><title>Checkout</title><h1>Pay 49.00 EUR</h1><form action="/pay">';
echo '<input type="hidden" name="decision" value="' . htmlspecialchars($decision) . '">';
foreach ($answer['methods'] as $method) {
    [$id, $label] = [htmlspecialchars($method['id']), htmlspecialchars($method['label'])];
    echo "<button name=\"method\" value=\"$id\">$label</button>";
}
echo '</form><p>', $answer['fallback'] ? "The shop's own order." : "Decision $decision", '</p>';
