import { expect } from 'chai'
import { FileSignalError } from 'file-signal'

/** The error of a call that must fail; its message carries code and remedy. */
export async function failure(promise: Promise<unknown>): Promise<FileSignalError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof FileSignalError)) throw new Error(`expected a FileSignalError, got ${error}`)
  expect(error.message.startsWith(`${error.code}: `)).to.equal(true)
  expect(error.message.endsWith(`; ${error.remedy}.`)).to.equal(true)
  return error
}
