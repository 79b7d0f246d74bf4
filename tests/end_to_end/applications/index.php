<?php
// A PHP application for `php -S`; what every page includes is the block of docs/applications.md.
require 'included.php';
$secure = ($_SERVER['HTTPS'] ?? '') === 'on';
$port = $_SERVER['SERVER_PORT'];
$root = ($secure ? 'https://' : 'http://') . explode(':', $_SERVER['HTTP_HOST'])[0] . ':' . $port;
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if (!str_starts_with($path, '/static/')) {
    session_set_cookie_params(['secure' => true, 'httponly' => true]);
    session_start();
}
switch ($path) {
    case '/login':
        $_SESSION['user'] = $_POST['user'];
        header("Location: $root/facts", true, 303);
        break;
    case '/elsewhere':
        header("Location: $root/facts", true, 302);
        break;
    case '/upload':
        $file = $_FILES['file'];
        $digest = hash_file('sha256', $file['tmp_name']);
        echo json_encode(['digest' => $digest, 'name' => $file['name']]);
        break;
    case '/static/style.css':
        header('Content-Type: text/css');
        header('Cache-Control: public, max-age=600');
        $style = str_repeat("body { color: black }\n", 100);
        header('Content-Length: ' . strlen($style));
        echo $style;
        break;
    default:
        setcookie('mine', bin2hex(random_bytes(16)));
        echo json_encode([
            'url' => "$root/elsewhere",
            'secure' => $secure,
            'address' => $_SERVER['REMOTE_ADDR'],
            'user' => $_SESSION['user'] ?? null,
        ]);
}
