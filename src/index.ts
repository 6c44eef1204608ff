/// <reference types="node" preserve="true" />
export type { Diagnosis } from './doctor/doctor.js'
export type { DoctorOptions } from './doctor/options.js'
export type { Check, CheckGroup, CheckStatus } from './doctor/result.js'
export type { Delays } from './doctor/web/delay.js'
export type { StreamVerdict } from './doctor/web/stream.js'
export { doctor } from './doctor.js'
export { ERRORS, type ErrorCode, FileSignalError } from './errors.js'
export type { Event } from './event.js'
export {
  createFileSignal,
  type FileSignal,
  signal,
} from './file-signal.js'
export { FOLDER_GUARDS } from './folders.js'
export type { Health, Trouble } from './health.js'
export type { HookOptions, HookTools, HydrateMode } from './hook-options.js'
export { type ClientAddressOptions, clientAddress } from './http/client-address.js'
export type { Keys } from './http/keys.js'
export type { KoaBase, KoaContext, KoaMiddleware, KoaRoutes, KoaRoutesOptions } from './http/koa.js'
export type { NodeContext, NodeHandler, NodeRequest, NodeResponse } from './http/node.js'
export type { SourceOf } from './http/source.js'
export type { InspectorOptions } from './inspector/router.js'
export type { MetricsRegister, RegisteredMetric } from './metrics/register.js'
export type { MetricsOptions } from './metrics/router.js'
export type {
  Deliver,
  Duration,
  FileSignalOptions,
  Retention,
  RetentionOptions,
  Size,
  StreamOptions,
} from './options.js'
export type {
  Claim,
  Claimed,
  ClaimRequest,
  DriverStats,
  Journal,
  JournalKey,
  JournalPage,
  JournalRequest,
  JournalRow,
  Mailbox,
  PayloadEngine,
  PayloadFactory,
  PayloadSite,
  PayloadStats,
  PruneResult,
} from './payload/engine.js'
export { memory } from './payload/memory.js'
export type { SqliteHandle } from './payload/sqlite/host.js'
export { type SqliteOptions, sqlite } from './payload/sqlite/store.js'
export { locate, type Places } from './places.js'
export type { EndOptions, Receipt, SignalEntry, SignalOptions } from './publisher.js'
export type { SignalEngine, SignalFactory, SignalListener, SignalSite, WakeKind } from './signal/engine.js'
export { fileSignal } from './signal/file.js'
export { memorySignal } from './signal/memory.js'
export type { SourceOptions } from './source-options.js'
export type { FileSignalStats, ProcessStats, ProjectStats } from './stats.js'
export type { Histogram } from './stream/figures/latency.js'
export type { ListenedKey, OpenStream, StreamKind, StreamState } from './stream/figures/listing.js'
export type { Source, SourceCall, SourceFunction } from './stream/source/source.js'
export type { StreamStats } from './stream/stats.js'
export type { SubscribeOptions, Subscriber } from './stream/subscribe.js'
export type { EventWriter, WriterOptions } from './writer/writer.js'
