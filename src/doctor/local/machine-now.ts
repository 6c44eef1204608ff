/** Milliseconds by the clock that all processes of the machine share and nobody can set. Its zero means nothing. */
export function machineNow(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
