// Writes what keys and buttons do in a window of somebody else, a line for each event:
//   event_log WINDOW        "press 1 at 100,120", "release 1 at 100,120", "key 38 down", "key 38 up"
// The window's owner must not listen to buttons itself: X11 tells one program alone.
#include <stdio.h>
#include <stdlib.h>
#include <xcb/xcb.h>

int main(int count, char **words) {
  xcb_connection_t *x = xcb_connect(NULL, NULL);
  if (count != 2 || xcb_connection_has_error(x)) return 2;
  uint32_t mask = XCB_EVENT_MASK_BUTTON_PRESS | XCB_EVENT_MASK_BUTTON_RELEASE |
                  XCB_EVENT_MASK_KEY_PRESS | XCB_EVENT_MASK_KEY_RELEASE;
  xcb_void_cookie_t cookie = xcb_change_window_attributes_checked(
      x, (xcb_window_t)strtoul(words[1], NULL, 0), XCB_CW_EVENT_MASK, &mask);
  if (xcb_request_check(x, cookie)) return 3;
  puts("listening");
  for (;;) {
    fflush(stdout);
    xcb_generic_event_t *event = xcb_wait_for_event(x);
    if (!event) return 0;
    // Events of keys and of buttons lie the same.
    xcb_button_press_event_t *e = (xcb_button_press_event_t *)event;
    switch (event->response_type & 0x7F) {
      case XCB_BUTTON_PRESS: printf("press %d at %d,%d\n", e->detail, e->event_x, e->event_y); break;
      case XCB_BUTTON_RELEASE: printf("release %d at %d,%d\n", e->detail, e->event_x, e->event_y); break;
      case XCB_KEY_PRESS: printf("key %d down\n", e->detail); break;
      case XCB_KEY_RELEASE: printf("key %d up\n", e->detail); break;
    }
    free(event);
  }
}
