import { createMemory, memory } from '../dist/payload/memory.js'
import { payloadContract, site } from './support/payload-contract.js'

payloadContract('memory', (options, timing) => ({
  factory: timing ? createMemory(timing.lease) : memory(),
  site: site(options),
}))
