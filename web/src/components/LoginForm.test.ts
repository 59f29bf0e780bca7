import { flushPromises, mount } from '@vue/test-utils'
import { expect, it, vi } from 'vitest'
import { RequestError } from '../api'
import LoginForm from './LoginForm.vue'

function aForm(logIn: (token: string) => Promise<void>, problem = null as { code: string; message: string } | null) {
  return mount(LoginForm, { props: { problem, isAlone: true, logIn }, attachTo: document.body })
}

it('is a form that a password manager knows, and has the keyboard at once', () => {
  const form = aForm(async () => {})
  const field = form.find('input[type=password]')
  expect(field.attributes('autocomplete')).toBe('current-password')
  expect(form.find('form').attributes('method')).toBe('post')
  expect(form.find('label').attributes('for')).toBe(field.attributes('id'))
  expect(document.activeElement).toBe(field.element)
  form.unmount()
})

it('gives the token without the spaces that came along with it', async () => {
  const logIn = vi.fn(async () => {})
  const form = aForm(logIn)
  await form.find('input[type=password]').setValue(' 3xAmple\n')
  await form.find('form').trigger('submit')
  expect(logIn).toHaveBeenCalledWith('3xAmple')
  form.unmount()
})

it('says beside the field what is wrong, and how long to wait where that is asked for', async () => {
  const logIn = vi.fn<(token: string) => Promise<void>>()
  const form = aForm(logIn, { code: 'token_revoked', message: 'this token was revoked on Monday' })
  const said = () => form.find('[role=alert]').text()
  expect(said()).toBe('This token was revoked on Monday.')
  expect(form.find('input[type=password]').attributes('aria-invalid')).toBe('true')

  await form.find('input[type=password]').setValue('guess')
  logIn.mockRejectedValueOnce(new RequestError(401, 'token_unknown', "the token is not one of this manager's"))
  await form.find('form').trigger('submit')
  await flushPromises()
  expect(said()).toBe("The token is not one of this manager's.")

  logIn.mockRejectedValueOnce(new RequestError(429, 'too_many_tries', 'too many wrong tokens', 6_000))
  await form.find('form').trigger('submit')
  await flushPromises()
  expect(said()).toBe('Too many wrong tokens. Try again in 6 s.')
  form.unmount()
})
