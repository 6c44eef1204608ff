import { shared } from './commons.js'
import { linksTo } from './deploy-links.js'
import { createRestartSigns, namesGiven } from './restart-signs.js'

/** What becomes of an instance's streams when a panel ends this process, or begins another beside it. */
export interface PanelSite {
  /** The folder whose `tmp/restart.txt` asks for a restart by its change; null where no root is known. */
  readonly root: () => string | null
  /** The root as it was given, which may be a link; null where it was found. */
  readonly given: string | null
  /** A new process takes over: streams are to end, and their clients to come back. */
  readonly onRestart: () => void
  /** This process is to end: resolves when all is finished and closed. */
  readonly close: () => Promise<void>
}

/** What an instance tells of itself, so that the panel's wishes are heard while there are streams. */
export interface Panel {
  watch(streaming: boolean): void
  /** From its first use on an instance may hold calls that wait for the store, until it is closed. */
  used(inUse: boolean): void
}

/** Milliseconds between two looks for a sign of a restart. */
const LOOK = 1000

/** The instances of this process. */
interface Sites {
  /** Those that have streams now; they share one listener. */
  readonly streaming: Set<PanelSite>
  /** All that must be closed before this process may end. */
  readonly inUse: Set<PanelSite>
  readonly onMessage: (message: unknown) => Promise<void>
}

/**
 * Passenger starts a new process when `tmp/restart.txt` changes, and waits for the streams of the old one
 * to end: that may be never. So we look at the file ourselves, also through the links that lead to the root. Its word for the end is the message
 * 'shutdown' and no signal; pm2 knows the same word.
 */
export function createPanel(site: PanelSite): Panel {
  let timer: NodeJS.Timeout | null = null
  /** As the first stream found them: after a deploy they lead elsewhere, and could not be told from others. */
  let links: Promise<readonly string[]> | null = null

  function begin(): void {
    const { streaming, onMessage } = sites()
    if (streaming.size === 0) process.on('message', onMessage)
    streaming.add(site)
    const root = site.root()
    if (root === null) return
    links ??= linksTo(root, namesGiven(site.given))
    const signs = createRestartSigns(root, links)
    const own = setInterval(look, LOOK)
    timer = own

    async function look(): Promise<void> {
      if ((await signs.changed()) && timer === own) site.onRestart()
    }
  }

  function end(): void {
    if (timer) clearInterval(timer)
    timer = null
    const { streaming, onMessage } = sites()
    streaming.delete(site)
    if (streaming.size === 0) process.off('message', onMessage)
  }

  return {
    watch: (wanted) => (wanted ? begin() : end()),
    used: (wanted) => void (wanted ? sites().inUse.add(site) : sites().inUse.delete(site)),
  }
}

/** One list for all copies of this package: each would take another's listener for one of the application's. */
function sites(): Sites {
  return shared('panel', createSites)
}

function createSites(): Sites {
  const streaming = new Set<PanelSite>()
  const inUse = new Set<PanelSite>()

  async function onMessage(message: unknown): Promise<void> {
    if (message !== 'shutdown') return
    // Without any listener Passenger's loader ends the process at once; where we are the only one, that is up to us.
    const alone = process.listenerCount('message') === 1 && 'PhusionPassenger' in globalThis
    for (const site of streaming) site.onRestart()
    if (!alone) return
    await Promise.allSettled([...inUse].map((site) => site.close()))
    process.exit(0)
  }

  return { streaming, inUse, onMessage }
}
