/* handlers: one for each row of routes.def. */
#ifndef ADMIN_HANDLERS_H
#define ADMIN_HANDLERS_H

#include "router.h"

#define ROUTE(method, path, host, handler) route_handler handler;
#include "routes.def"
#undef ROUTE

#endif
