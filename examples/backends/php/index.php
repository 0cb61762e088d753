<?php
// A back end in PHP, without a package: it signs people in, and answers what
// Gatehouse asks. PHP forgets everything between two requests, so orders are files.
const TOKEN_SECRET = 'an-example-of-a-secret-that-is-no-secret-at-all';
define('HOOK_SECRET', base64_decode('YW4gZXhhbXBsZSB0aGF0IGlzIG5vIHNlY3JldCBhdCBhbGw='));

function part(string $value): string
{
    return rtrim(strtr(base64_encode($value), '+/', '-_'), '=');
}

/** Gives a token. A real one asks for a password first. */
function login(array $in): array
{
    $claims = ['sub' => $in['name'], 'name' => $in['name'], 'scope' => $in['staff'] ? 'staff' : '', 'iat' => time(), 'exp' => time() + 3600];
    $body = part('{"alg":"HS256","typ":"JWT"}') . '.' . part(json_encode($claims));
    return ['token' => $body . '.' . part(hash_hmac('sha256', $body, TOKEN_SECRET, true))];
}

function refuse(string $code, string $message): array
{
    return ['error' => ['code' => $code, 'message' => $message]];
}

function orderFile(string $id): string
{
    return sys_get_temp_dir() . '/gatehouse-example-order-' . hash('sha256', $id);
}

/** Answers one event of a client: its acknowledgement, and who gets what. */
function handle(string $event, array $in, array $user): array
{
    switch ($event) {
        case 'order:create':
            $order = ['id' => bin2hex(random_bytes(16)), 'item' => (string) ($in['item'] ?? ''), 'by' => $user['subject']];
            file_put_contents(orderFile($order['id']), json_encode($order));
            return ['ack' => [['ok' => true, 'id' => $order['id']]], 'emit' => [['to' => 'desk', 'event' => 'order:created', 'args' => [$order]]]];
        case 'order:done':
            if (!in_array('staff', $user['scopes'] ?? [])) {
                return refuse('forbidden', 'Only staff may do this.');
            }
            $file = orderFile((string) ($in['id'] ?? ''));
            if (!is_file($file)) {
                return refuse('not_found', 'There is no such order.');
            }
            $order = json_decode(file_get_contents($file), true);
            unlink($file);
            return ['emit' => [['user' => $order['by'], 'event' => 'order:done', 'args' => [$order]]]];
        case 'dm:send':
            $message = ['from' => $user['subject'], 'text' => (string) ($in['text'] ?? '')];
            return ['emit' => [['user' => (string) ($in['to'] ?? ''), 'event' => 'dm', 'args' => [$message]]]];
    }
    return refuse('unknown_event', 'There is no such event.');
}

/** Checks a signature (Standard Webhooks). Libraries exist for it. */
function verified(string $body): bool
{
    $at = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '0';
    if (abs(time() - (int) $at) > 300) {
        return false; // replayed
    }
    $signed = ($_SERVER['HTTP_WEBHOOK_ID'] ?? '') . ".$at.$body";
    $right = 'v1,' . base64_encode(hash_hmac('sha256', $signed, HOOK_SECRET, true));
    foreach (explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '') as $given) {
        if (hash_equals($right, $given)) {
            return true;
        }
    }
    return false;
}

$body = file_get_contents('php://input');
$request = $_SERVER['REQUEST_METHOD'] . ' ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($request === 'GET /') {
    readfile(__DIR__ . '/../index.html');
    return;
}
header('Content-Type: application/json');
if ($request === 'POST /login') {
    echo json_encode(login(json_decode($body, true)));
} elseif ($request === 'POST /realtime' && verified($body)) {
    $e = json_decode($body, true);
    echo json_encode(handle($e['event'], $e['args'][0] ?? [], $e['user']));
} else {
    http_response_code(401);
}
