import '@fontsource-variable/atkinson-hyperlegible-next/wght.css';
import '@fontsource-variable/atkinson-hyperlegible-mono/wght.css';
import './tokens.css';
import './base.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { getLocale, getTextDirection } from './paraglide/runtime';

document.documentElement.lang = getLocale();
document.documentElement.dir = getTextDirection();

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no #app');
export default mount(App, { target });
