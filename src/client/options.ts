/** How to listen; all of it is optional. */
export interface ListenOptions {
  /** The id to go on after, rendered into the page by the server; beats a remembered one. */
  after?: string
  /** One connection for all tabs. Default false. */
  share?: boolean
  /** Who is logged in, where the keys alone do not tell: only tabs with the same share. */
  identity?: string
  /** Goes on after a reload of this tab where it was (sessionStorage). Default false. */
  remember?: boolean
  /** Sent with each request. */
  headers?: Record<string, string>
  /** Gives the bearer token; asked at the first connect, and once more after each 401. */
  token?: () => string | Promise<string>
  /** As in fetch(). Default 'same-origin'. */
  credentials?: RequestCredentials
  /** Closes the stream when it aborts. */
  signal?: AbortSignal
}

/** Options that were checked. */
export interface Settings extends ListenOptions {
  readonly credentials: RequestCredentials
  /** The headers of a request; `again` gets another token. */
  authorize(again: boolean): Promise<Record<string, string>>
}

const KINDS: Readonly<Record<string, string>> = {
  after: 'string',
  share: 'boolean',
  identity: 'string',
  remember: 'boolean',
  headers: 'object',
  token: 'function',
  credentials: 'string',
  signal: 'object',
}

/** Checks what listen() was given. Throws TypeError that names what is wrong, and what is right. */
export function readOptions(options: ListenOptions): Settings {
  for (const [name, value] of Object.entries(options)) {
    const kind = KINDS[name]
    if (!kind) fault(`knows no option "${name}"; it knows ${Object.keys(KINDS).join(', ')}`)
    if (value !== undefined && (value === null || typeof value !== kind)) {
      fault(`was given ${name}: ${value}; it takes a ${kind}`)
    }
  }
  const { token, credentials = 'same-origin' } = options
  let bearer: string | undefined
  return {
    ...options,
    credentials,
    authorize: async (again) => {
      if (token && (again || bearer === undefined)) bearer = await token()
      return { ...options.headers, ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }) }
    },
  }
}

/** The address of a stream, as seen from the page. Throws TypeError for what is none. */
export function readUrl(given: string | URL): URL {
  const url = parse(String(given))
  if (!url || !/^https?:$/.test(url.protocol))
    fault(`was given the address "${given}"; it takes one of http(s)`)
  // Which answer is wanted is for the client to say.
  url.searchParams.delete('mode')
  return url
}

function parse(given: string): URL | undefined {
  try {
    return new URL(given, globalThis.document?.baseURI ?? globalThis.location?.href)
  } catch {}
}

function fault(what: string): never {
  throw new TypeError(`listen() ${what}`)
}
