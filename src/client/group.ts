/** The tabs that share one line: one of them leads, and what it says reaches all others. */
export interface Group<Words> {
  /** Tells the others, as their leader. */
  say(words: Words): void
  /** Takes the lead from the tab that has it. */
  queue(steal: true): void
  /** Lets go of the lead and of the place in the queue; another tab leads at once. Idempotent. */
  leave(): void
}

export interface GroupSite<Words> {
  /** This tab leads from now on, and is to say so; told again where it took the lead from itself. */
  onLead(): void
  /** It does no more: another tab took the lead, for this one did not answer. */
  onLost(): void
  /** The leader said something. */
  onWords(words: Words): void
  /** What the leader says of itself to those who ask. */
  about(): Words
}

/** A ping has nothing in it. The terms of leaders rise, so that one who wakes up is not believed any more. */
type Message<Words> = null | { readonly term: number; readonly words: Words }

/**
 * Milliseconds between two looks at the leader, and how much longer it may be, at random: tabs that see the same
 * silence are not to take the lead from one another.
 */
const LOOK = 110
const JITTER = 20
/** Looks that may hear nothing from the leader; those that ping it then; the next one takes the lead. */
const QUIET = 2
const PINGS = 2

/** Whether tabs can find one another: not on plain http. Browsers that have locks have channels, too. */
export function canShare(): boolean {
  return !!navigator.locks
}

/**
 * Joins the tabs of this origin that know the same name.
 *
 * The browser queues them for a lock: whoever holds it leads, and a tab that is closed or has crashed holds none. One
 * that holds it and does not answer (stopped, or busy) loses it within two thirds of a second.
 */
export function joinGroup<Words>(name: string, site: GroupSite<Words>): Group<Words> {
  const channel = new BroadcastChannel(name)
  const leaving = new AbortController()
  const { signal } = leaving
  let letGo: (() => void) | null = null
  let term = 0
  let silence = 0

  async function queue(steal?: boolean): Promise<void> {
    let hold: (() => void) | null = null
    const lead = () =>
      new Promise<void>((resolve) => {
        hold = resolve
        begin(resolve)
      })
    try {
      await navigator.locks.request(name, steal ? { steal } : { signal }, lead)
    } catch (error) {
      // A document that may not have locks shares with nobody, and leads itself.
      if ((error as Error).name !== 'AbortError') {
        channel.onmessage = null
        await lead()
      }
    }
    if (signal.aborted) return
    if (hold && hold === letGo) lose()
    if (!steal) queue()
  }

  function begin(hold: () => void): void {
    letGo = hold
    term = Math.max(term + 1, Date.now())
    if (signal.aborted) hold()
    else site.onLead()
  }

  function lose(): void {
    letGo?.()
    letGo = null
    site.onLost()
  }

  function look(): void {
    if (letGo) return
    silence += 1
    if (silence > QUIET + PINGS) {
      silence = 0
      queue(true)
    } else if (silence > QUIET) channel.postMessage(null)
  }

  function say(words: Words): void {
    channel.postMessage({ term, words })
  }

  channel.onmessage = ({ data }: MessageEvent<Message<Words>>) => {
    if (!data) {
      if (letGo) say(site.about())
    } else if (data.term >= term) {
      // One that was stopped hears of its successor before or after it hears that the lock is lost.
      if (letGo) lose()
      term = data.term
      silence = 0
      site.onWords(data.words)
    }
  }
  const timer = setInterval(look, LOOK + Math.random() * JITTER)
  channel.postMessage(null)
  queue()

  return {
    say,
    queue,
    leave: () => {
      clearInterval(timer)
      leaving.abort()
      channel.close()
      letGo?.()
    },
  }
}
