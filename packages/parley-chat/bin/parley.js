#!/usr/bin/env node
import "@parley-chat/server/bin/parley.js";
