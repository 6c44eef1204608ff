import type { Headers } from './exchange.js'

/** A program between the browser and the app that headers give away. */
export type Layer =
  | 'nginx'
  | 'Apache'
  | 'Passenger'
  | 'LiteSpeed'
  | 'Varnish'
  | 'Caddy'
  | 'lighttpd'
  | 'Cloudflare'
  | 'HAProxy'
  | 'Fastly'
  | 'CloudFront'

/** What the headers tell of the way, the browser's side first as far as that can be told. */
export interface Way {
  readonly layers: readonly Layer[]
  /** Of X-Accel-Buffering, which our streams send: only nginx keeps it to itself. */
  readonly accelBuffering: 'arrived' | 'gone'
  /** Whether the headers are those of our streams. */
  readonly isOurs: boolean
  /** The headers that told, as they came. */
  readonly told: Readonly<Record<string, string>>
}

type Trace = readonly [layer: Layer, header: string, pattern: RegExp]

/** Outermost first: a CDN stands in front of a cache, a cache in front of a server, that in front of its module. */
const TRACES: readonly Trace[] = [
  ['Cloudflare', 'cf-ray', /./],
  ['Cloudflare', 'server', /cloudflare/i],
  ['CloudFront', 'x-amz-cf-id', /./],
  ['Fastly', 'x-served-by', /^cache-/i],
  ['Varnish', 'x-varnish', /./],
  ['Varnish', 'via', /varnish/i],
  ['HAProxy', 'via', /haproxy/i],
  ['HAProxy', 'server', /haproxy/i],
  ['nginx', 'server', /nginx|openresty|tengine|angie/i],
  ['nginx', 'x-proxy-cache', /./],
  ['nginx', 'x-nginx-cache', /./],
  ['Caddy', 'server', /caddy/i],
  ['Caddy', 'via', /caddy/i],
  ['LiteSpeed', 'server', /litespeed/i],
  ['LiteSpeed', 'x-litespeed-cache', /./],
  ['LiteSpeed', 'x-turbo-charged-by', /litespeed/i],
  ['lighttpd', 'server', /lighttpd/i],
  ['Apache', 'server', /apache|\bhttpd/i],
  ['Passenger', 'x-powered-by', /passenger/i],
  ['Passenger', 'server', /passenger/i],
]

/** Reads the way out of the headers of an answer. A layer that leaves no trace is not known of. */
export function readWay(headers: Headers): Way {
  const found = TRACES.filter(([, header, pattern]) => pattern.test(headers[header] ?? ''))
  const layers = [...new Set(found.map(([layer]) => layer))]
  const accelBuffering = headers['x-accel-buffering'] === undefined ? 'gone' : 'arrived'
  // Nobody else takes this header away, so one nginx stands on the way, behind what the others tell.
  const isOurs = isOfStream(headers)
  if (accelBuffering === 'gone' && isOurs && !layers.includes('nginx')) layers.push('nginx')
  const told = Object.fromEntries(found.map(([, header]) => [header, headers[header] ?? '']))
  return { layers, accelBuffering, isOurs, told }
}

/** The combination that the streams of this package send. */
function isOfStream(headers: Headers): boolean {
  return (
    /no-transform/.test(headers['cache-control'] ?? '') && headers['x-content-type-options'] === 'nosniff'
  )
}

/** Who most likely holds a stream back, and what to do about it. */
export interface Culprit {
  readonly layer: Layer | null
  readonly why: string
  readonly remedy: string
}

/** What is known about a stream that is held back. */
export interface Symptoms {
  readonly way: Way
  /** Content-Encoding of the answer to a browser. */
  readonly encoding: string | null
  /** Whether the same stream came through for a client that can decode nothing. Null: not tried. */
  readonly plainStreams: boolean | null
}

const FILES = 'see nginx/, apache/ and docs/servers.md of this package'

/** Names the layer that holds a stream back, by headers alone; what cannot be known is not guessed. */
export function findCulprit({ way, encoding, plainStreams }: Symptoms): Culprit {
  const { layers } = way
  const has = (layer: Layer): boolean => layers.includes(layer)
  const server = layers.find((layer) => layer !== 'Passenger') ?? null
  if (plainStreams) {
    const coding = encoding ? `compression (${encoding})` : 'compression'
    return {
      layer: server,
      why: `${coding} ${server ? `by ${server} ` : ''}holds it back: without compression the same stream comes through`,
      remedy: compressionRemedy(server),
    }
  }
  if (has('Cloudflare')) {
    return {
      layer: 'Cloudflare',
      why: 'Cloudflare is the outermost layer that the headers name; what stands behind it may hold the stream back as well',
      remedy:
        'ask the server behind Cloudflare directly; quick tunnels (trycloudflare) hold streams back, named ones do not',
    }
  }
  if (has('Varnish')) {
    return {
      layer: 'Varnish',
      why: 'Varnish collects a response where do_stream is off or do_gzip is on',
      remedy: 'return (pipe) for streams in vcl_recv: copy the block for Varnish from docs/servers.md',
    }
  }
  if (has('Passenger') && !has('nginx')) {
    return {
      layer: 'Passenger',
      why: 'Passenger collects the whole response, or a compressor behind it does, which it never flushes',
      remedy: 'PassengerBufferResponse off, and no compression for streams: copy apache/.htaccess',
    }
  }
  if (has('nginx')) return ofNginx(way)
  if (has('lighttpd')) {
    return {
      layer: 'lighttpd',
      why: 'lighttpd collects the whole response unless it is told not to',
      remedy: 'server.stream-response-body = 2 for streams: copy the block for lighttpd from docs/servers.md',
    }
  }
  if (has('LiteSpeed')) {
    return {
      layer: 'LiteSpeed',
      why: 'LiteSpeed is the only layer that the headers name',
      remedy: 'copy the LiteSpeed block of apache/.htaccess; it was not run against a LiteSpeed',
    }
  }
  if (server) {
    return {
      layer: server,
      why: `${server} is the only layer that the headers name`,
      remedy: `turn buffering and compression off for streams: ${FILES}`,
    }
  }
  return {
    layer: null,
    why: 'which layer does it is not known: no header names one',
    remedy: `ask layer by layer, from the app outwards, and turn buffering off for streams: ${FILES}`,
  }
}

/** Two nginx look like one: the inner one obeys X-Accel-Buffering and takes it away from the outer. */
function ofNginx({ layers, accelBuffering }: Way): Culprit {
  const remedy = layers.includes('Passenger')
    ? 'passenger_buffer_response off; behind another nginx also passenger_pass_header X-Accel-Buffering: see nginx/'
    : 'proxy_buffering off for streams: copy nginx/proxy.conf; behind another nginx the inner one needs proxy_pass_header X-Accel-Buffering'
  const why =
    accelBuffering === 'gone'
      ? 'nginx: it ignores X-Accel-Buffering, or an inner nginx has taken that header away'
      : 'nginx has passed X-Accel-Buffering on, and holds the stream back all the same'
  return { layer: 'nginx', why, remedy }
}

function compressionRemedy(server: Layer | null): string {
  if (server === 'Apache' || server === 'LiteSpeed')
    return 'no compression for streams: copy apache/.htaccess'
  if (server === 'nginx') return 'gzip off and brotli off for streams: copy nginx/proxy.conf'
  if (server === 'Varnish' || server === 'Caddy' || server === 'lighttpd')
    return `no compression for streams: copy the block for ${server} from docs/servers.md`
  return 'turn compression off for text/event-stream, in the web server or in the app’s middleware'
}
