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
  start: 'The stream is asked for.',
  ready: 'The stream is open.',
  held: 'Something on the way holds the stream back, so events are fetched in short answers.',
  ended: 'The server has ended the stream.',
  refused: 'The server refuses the stream: check the address, and whether you are logged in.',
  'not-a-stream': 'The answer is no event stream: check the address.',
  'too-long': 'A line or an event is longer than 8 MiB: check the address.',
  asked: 'This page has closed the stream.',
  network: 'No answer: the server is away, or does not allow this origin.',
  cut: 'The connection has ended.',
  silent: 'Nothing came for too long, so the connection is taken for dead.',
  server: 'The server is there, and cannot answer now.',
  offline: 'This device is offline.',
  hidden: 'The page is put away.',
}

/** The state as pages see it; `detail` of the answer is put behind the sentence. */
export function tell({ role = 'alone', message = '', ...state }: LineState): LiveState {
  return { ...state, message: MESSAGES[state.reason] + (message && ` (${message})`), role }
}
