/** The sample pictures that come with the page, drawn by `samples/draw.mjs`. */

import { RequestError } from './api'

/** Their names, in the order in which they lie in `tiles.webp`. */
export const SAMPLES = [
  'airliner',
  'balloon',
  'daisy',
  'lighthouse',
  'sailboat',
  'school-bus',
  'strawberry',
  'traffic-light',
  'umbrella',
] as const
export type Sample = (typeof SAMPLES)[number]

/** Fetches samples as files, such as a person would choose. */
export function sampleFiles(samples: readonly Sample[]): Promise<File[]> {
  return Promise.all(samples.map(sampleFile))
}

async function sampleFile(sample: Sample): Promise<File> {
  const name = `${sample}.jpg`
  const response = await fetch(`/samples/${name}`)
  if (!response.ok) throw new RequestError(response.status, 'no_file', `the sample picture ${name} is not there`)
  return new File([await response.blob()], name, { type: 'image/jpeg' })
}
