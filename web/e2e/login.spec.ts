/** Who comes in, as what, and what they are offered: a manager that asks for tokens. */

import { expect, type Page } from '@playwright/test'
import { untilAtLeast } from './books'
import { cards, choose, untilDone, workerRow } from './gestures'
import { test, type House } from './manager'
import { landscapes } from './pictures'
import { watchPolicy } from './policy'

/** A manager that listens beyond loopback, with a worker that answers at once. Gives its address here, and the owner's token. */
async function guarded(house: House): Promise<{ base: string; owner: string }> {
  const manager = await house.manager({ listen: '0.0.0.0:0' })
  house.worker(manager, 'ada', { serviceMs: 0 })
  const [base = '', owner = ''] = manager.url.replace('0.0.0.0', '127.0.0.1').split('/#token=')
  return { base, owner }
}

const login = (page: Page) => page.locator('[data-login]')

async function give(page: Page, token: string): Promise<void> {
  await login(page).getByLabel('Token').fill(token)
  await login(page).getByRole('button', { name: 'Log in' }).click()
}

/** A batch with pictures that were recognised, by its address without a token. */
async function aBatch(page: Page, { base, owner }: { base: string; owner: string }): Promise<string> {
  await page.goto(`${base}/#token=${owner}`)
  await choose(page, landscapes(3))
  await untilAtLeast(page, 3, 'recognised')
  await untilDone(page)
  return page.url()
}

test('without a token there is a form, which says of each token that does not count why', async ({ page, house }) => {
  const { base, owner } = await guarded(house)
  const broken = await watchPolicy(page)
  await page.goto(base)
  await expect(page.getByRole('heading', { name: 'Who is there?' })).toBeVisible()
  await expect(page.locator('input[type=file]')).toHaveCount(0)
  const said = login(page).getByRole('alert')

  await give(page, 'guess')
  await expect(said).toHaveText("The token is not one of this manager's.")
  const revoked = await house.token('operator')
  await house.revoke(revoked)
  await give(page, revoked.token)
  await expect(said).toContainText('This token was revoked on')
  const short = await house.token('operator', '1s')
  const asked = () => page.request.get(`${base}/readyz`, { headers: { Authorization: `Bearer ${short.token}` } })
  await expect.poll(async () => (await asked()).status()).toBe(401)
  await give(page, short.token)
  await expect(said).toContainText('This token expired on')
  await give(page, (await house.token('worker')).token)
  await expect(said).toContainText("This token is a worker's")

  await give(page, ` ${owner} `)
  await expect(page.getByText('1 worker ready')).toBeVisible()
  await page.reload()
  await expect(page.getByText('1 worker ready')).toBeVisible()
  expect(await broken()).toEqual([])

  await page.getByRole('button', { name: 'Log out' }).click()
  await expect(login(page)).toBeVisible()
  await page.reload()
  await expect(login(page)).toBeVisible()
})

test('the printed address lets in, and its token is neither left in it nor sent in one', async ({ page, house }) => {
  const { base, owner } = await guarded(house)
  const addresses: string[] = []
  page.on('request', (request) => addresses.push(request.url()))
  await page.goto(`${base}/#token=${owner}`)
  await expect(page.getByText('1 worker ready')).toBeVisible()
  expect(page.url()).toBe(`${base}/`)
  expect(addresses.filter((address) => address.split('#')[0]?.includes(owner))).toEqual([])
  expect(await page.evaluate(() => document.cookie)).toBe('')
})

test('a viewer sees the batch whose address they have, and is offered nothing to change', async ({ page, house, browser }) => {
  const broken = await watchPolicy(page)
  const address = await aBatch(page, await guarded(house))
  expect(await broken()).toEqual([])

  const context = await browser.newContext()
  const viewer = await context.newPage()
  const brokenToo = await watchPolicy(viewer)
  await viewer.goto(address)
  await expect(cards(viewer, 'recognised')).toHaveCount(3)
  const picture = viewer.locator('[data-image] img').first()
  await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(0)
  await expect(viewer.locator('[data-viewing]')).toBeVisible()
  await expect(viewer.locator('input[type=file], [role=checkbox], [data-worker]')).toHaveCount(0)
  await cards(viewer, 'recognised').first().click()
  await expect(viewer.getByRole('dialog')).toBeVisible()
  await expect(viewer.locator('[data-act]')).toHaveCount(0)
  await viewer.keyboard.press('Escape')
  expect(await brokenToo()).toEqual([])
  await context.close()
})

test('an uploader uploads and has images run again, sees no worker and deletes nothing', async ({ page, house }) => {
  const { base } = await guarded(house)
  const { token } = await house.token('uploader')
  await page.goto(base)
  await give(page, token)
  await choose(page, landscapes(2))
  await untilDone(page)
  await expect(workerRow(page, 'ada')).toHaveCount(0)
  await cards(page, 'recognised').first().hover()
  await page.getByRole('checkbox', { name: /select/i }).first().click()
  const bar = page.locator('[data-selection]')
  await expect(bar.getByRole('button', { name: /delete/i })).toHaveCount(0)
  await page.keyboard.press('Delete')
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await bar.getByRole('button', { name: /run again/i }).click()
  await expect(bar).toContainText(/1/)
  await untilDone(page)
})

test('an operator sees the workers and deletes', async ({ page, house }) => {
  const { base } = await guarded(house)
  await page.goto(base)
  await give(page, (await house.token('operator')).token)
  await choose(page, landscapes(2))
  await untilDone(page)
  await expect(workerRow(page, 'ada')).toBeVisible()
  await cards(page, 'recognised').first().click()
  await page.locator('[data-act=delete]').click()
  await page.locator('[data-act=delete-for-good]').click()
  await page.keyboard.press('Escape')
  await expect(cards(page, 'recognised')).toHaveCount(1)
})

test('a token that is revoked while its page is open is told of, and costs nothing that is shown or waits', async ({ page, house }) => {
  const { base } = await guarded(house)
  const token = await house.token('uploader')
  await page.goto(base)
  await give(page, token.token)
  await choose(page, landscapes(2))
  await untilDone(page)
  await house.revoke(token)
  await expect(login(page).getByRole('alert')).toContainText('This token was revoked on')
  await expect(cards(page, 'recognised')).toHaveCount(2)
  await expect(page.locator('input[type=file]')).toHaveCount(0)

  await give(page, (await house.token('uploader')).token)
  await expect(login(page)).toHaveCount(0)
  await choose(page, landscapes(5).slice(2))
  await expect(cards(page, 'recognised')).toHaveCount(5)
})
