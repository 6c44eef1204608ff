<?php
/**
 * Plugin Name: file-signal live
 * Description: The customer's order page shows a new status, and lists of posts a new post, without a reload.
 * Version: 0.1.0
 * Requires at least: 5.0
 * Requires PHP: 7.2
 * License: MIT
 *
 * Copy file-signal.php from file-signal's examples/publishers/ into this folder, and say in wp-config.php where the
 * Node app is: define('FILE_SIGNAL_ROOT', '/home/me/live');
 */

defined('ABSPATH') || exit;

require_once __DIR__ . '/file-signal.php';

// The address below which the Node app answers, on this site.
defined('FILE_SIGNAL_LIVE') || define('FILE_SIGNAL_LIVE', '/live');

add_action('woocommerce_order_status_changed', 'file_signal_live_order', 10, 4);
add_action('save_post', 'file_signal_live_post', 10, 2);
add_action('woocommerce_thankyou', 'file_signal_live_order_page');
add_action('wp_enqueue_scripts', 'file_signal_live_script');
add_shortcode('live_posts', 'file_signal_live_list');

/** The key holds the order's own secret: whoever has the address of the order's page may hear of it, nobody else. */
function file_signal_live_order($order_id, $from, $to, $order)
{
    $payload = ['status' => $to, 'label' => wc_get_order_status_name($to)];
    file_signal_live_send('order:' . $order->get_order_key(), $payload, 'status');
}

/** Everybody may hear of posts, so nothing is told of drafts, private and protected ones. */
function file_signal_live_post($post_id, $post)
{
    $is_public = $post->post_type === 'post' && $post->post_status === 'publish' && $post->post_password === '';
    if (!$is_public || wp_is_post_revision($post_id) || wp_is_post_autosave($post_id)) {
        return;
    }
    $payload = ['id' => $post_id, 'title' => $post->post_title, 'link' => get_permalink($post_id)];
    file_signal_live_send('posts', $payload, 'post');
}

/** A page must neither fail nor wait long because nobody can be told. */
function file_signal_live_send($key, $payload, $event)
{
    try {
        file_signal($key, $payload, ['event' => $event, 'wait' => 500]);
    } catch (Throwable $error) {
        error_log('file-signal live: ' . $error->getMessage());
    }
}

/** On the page that a customer sees after buying. */
function file_signal_live_order_page($order_id)
{
    $order = wc_get_order($order_id);
    $address = FILE_SIGNAL_LIVE . '/order.sse?key=' . rawurlencode($order->get_order_key());
    printf('<p data-live-order="%s">Status: <strong>%s</strong></p>', esc_attr($address),
        esc_html(wc_get_order_status_name($order->get_status())));
}

/** [live_posts]: a list that new posts are put into. */
function file_signal_live_list()
{
    return sprintf('<ul data-live-posts="%s"></ul>', esc_attr(FILE_SIGNAL_LIVE . '/posts.sse'));
}

function file_signal_live_script()
{
    wp_enqueue_script('file-signal-live', plugins_url('live.js', __FILE__), [], '0.1.0', true);
}
