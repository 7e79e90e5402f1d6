import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import './base.css';

import { App } from './App';
import { openAddress } from './shared/location';

openAddress();
createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
