/** Why a stream is in its state, as a stable word. */
export type Reason =
  | 'start'
  | 'ready'
  | 'held'
  | 'ended'
  | 'refused'
  | 'not-a-stream'
  | 'too-long'
  | 'asked'
  | 'token'
  | 'network'
  | 'cut'
  | 'silent'
  | 'server'
  | 'offline'
  | 'hidden'

/** How a stream stands. */
export interface LiveState {
  /**
   * `connecting`: asked for. `open`: events come at once. `buffered`: something on the way holds streams back, so
   * events are fetched, each a moment later. `waiting`: until the next try. `closed`: for good.
   */
  state: 'connecting' | 'open' | 'buffered' | 'waiting' | 'closed'
  /** Why; while connecting again, what was the matter before. */
  reason: Reason
  /** The same for people. */
  message: string
  /** The status of the answer, where that is why. */
  status?: number
  /** Milliseconds until the next try; absent while there is nothing to wait for but the network. */
  retryIn?: number
  /** Whether this page has a connection of its own, or which part it has in one for all. */
  role: 'alone' | 'leader' | 'follower'
}

/** A state as a line knows it, which knows of no other tabs. */
export type LineState = Omit<LiveState, 'role' | 'message'> & { message?: string; role?: LiveState['role'] }

const MESSAGES: Readonly<Record<Reason, string>> = {
  start: 'asking for the stream',
  ready: 'the stream is open',
  held: 'a proxy holds the stream back: events come late',
  ended: 'the server has ended the stream',
  refused: 'the server refuses the stream: check the login',
  'not-a-stream': 'the answer is no event stream: check the address',
  'too-long': 'an event is too long',
  asked: 'the page has ended the stream',
  token: 'the token callback failed',
  network: 'no answer: the server is away, or refuses this origin',
  cut: 'the stream has ended',
  silent: 'the stream is silent',
  server: 'the server is away',
  offline: 'the page is offline',
  hidden: 'the page was away',
}

/** The state as pages see it; `message` of the answer is put behind the sentence. */
export function tell({ role = 'alone', message = '', ...state }: LineState): LiveState {
  return { ...state, message: MESSAGES[state.reason] + (message && ` (${message})`), role }
}
