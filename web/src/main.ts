/** Starts the page. */

import { createApp } from 'vue'
import { connectApi } from './api'
import App from './App.vue'
import './style.css'
import { takeToken } from './token'

createApp(App, { token: takeToken(window), api: connectApi() }).mount('#app')
