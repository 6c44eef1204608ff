type Token = string | null | undefined

/** How to listen; all of it is optional. */
export interface ListenOptions {
  /** The id to go on after, rendered into the page by the server; beats a remembered one. */
  after?: string
  /** One connection for all tabs. Default false. */
  share?: boolean
  /**
   * Who is logged in, where the keys alone do not tell: only tabs with the same share. What a `beforeSend` makes for each
   * client is not shared without it.
   */
  identity?: string
  /** Goes on after a reload of this tab where it was (sessionStorage). Default false. */
  remember?: boolean
  /** Sent with each request. */
  headers?: HeadersInit
  /** Gives the bearer token, or nothing for none; asked at the first connect, and once more after each 401. */
  token?: () => Token | Promise<Token>
  /** As in fetch(). Default 'same-origin'. */
  credentials?: RequestCredentials
  /** Closes the stream when it aborts. */
  signal?: AbortSignal
}

/** Options that were checked, and what is known of the page. */
export interface Settings extends ListenOptions {
  /** The token that was asked for last. */
  bearer?: Promise<Token>
  /** Of events: what each stream may say, and what handlers ask for. */
  readonly names: Set<string>
}

/** What each option is, by an example. */
const EXAMPLES: Readonly<Required<ListenOptions>> = {
  after: '',
  share: true,
  identity: '',
  remember: true,
  headers: {},
  token: String,
  credentials: 'same-origin',
  signal: {} as AbortSignal,
}

/** Checks what listen() was given. Throws TypeError that names what is wrong, and what is right. */
export function readOptions(options: ListenOptions): Settings {
  for (const [name, value] of Object.entries(options ?? { options })) {
    if (!(name in EXAMPLES)) fault(name, value, `it knows ${Object.keys(EXAMPLES).join(', ')}`)
    const kind = typeof EXAMPLES[name as keyof ListenOptions]
    if (value === null || (value !== undefined && typeof value !== kind))
      fault(name, value, `it takes a ${kind}`)
  }
  return { ...options, names: new Set(['message', 'ready', 'hello', 'reset', 'end']) }
}

/** The address of a stream, as seen from the page. Throws TypeError for what is none, or cannot be asked as options say. */
export function readUrl(given: string | URL, { headers, credentials, signal }: ListenOptions): URL {
  const url = new URL(new Request(given, { headers, credentials, signal } as RequestInit).url)
  if (!/^http/.test(url.protocol)) fault('url', given, 'it takes http(s)')
  return url
}

function fault(name: string, value: unknown, remedy: string): never {
  throw new TypeError(`listen() was given ${name}: ${value}; ${remedy}`)
}
