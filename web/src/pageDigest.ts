/** Which page this is: the manager writes the digest of the page that it serves into its `<head>`. */

/** The digest in a page; null where there is none, as while developing. */
export function pageDigestOf(page: ParentNode = document): string | null {
  return page.querySelector<HTMLMetaElement>('meta[name=manyeyes-page]')?.content || null
}
