import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { openAddress } from './location';
import { App } from './ui/App';

import './styles/base.css';
import './styles/home.css';
import './styles/trace.css';
import './styles/panel.css';

openAddress();
createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
