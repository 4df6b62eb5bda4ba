#include "screen.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define CONTROL_C '\003'

static sigset_t ending_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    return set;
}

/* Keys without Return and without echo. Ctrl-C is a key like any other. */
static bool take_keys(struct termios *ret_before)
{
    struct termios now;
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, ret_before) != 0)
        return false;
    now = *ret_before;
    now.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    return tcsetattr(STDIN_FILENO, TCSANOW, &now) == 0;
}

/* The second screen of the terminal, without a cursor. */
void screen_open(struct screen *ret, bool terminal)
{
    *ret = (struct screen){.terminal = terminal && isatty(STDOUT_FILENO) == 1, .signals = -1};
    if (!ret->terminal)
        return;
    sigset_t set = ending_signals();
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    ret->signals = signalfd(-1, &set, SFD_CLOEXEC);
    ret->keys = take_keys(&ret->before);
    (void)fputs("\033[?1049h\033[?25l", stdout);
}

/* A signal that was held back ends the program now. */
void screen_close(struct screen *screen)
{
    if (!screen->terminal)
        return;
    (void)fputs("\033[?25h\033[?1049l", stdout);
    (void)fflush(stdout);
    if (screen->keys)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
    if (screen->signals >= 0)
        (void)close(screen->signals);
    sigset_t set = ending_signals();
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* At most `columns` characters of a line; bytes that go on with one take no room. */
static void print_line(const char *line, size_t length, unsigned columns)
{
    size_t shown = 0;
    for (unsigned used = 0; shown < length; shown++) {
        bool begins = ((unsigned char)line[shown] & 0xc0) != 0x80;
        if (begins && used++ == columns)
            break;
    }
    (void)printf("%.*s\033[K", (int)shown, line);
}

bool screen_show(const struct screen *screen, const char *text)
{
    struct winsize size = {0};
    if (!screen->terminal)
        return fputs(text, stdout) >= 0 && fflush(stdout) == 0;
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    unsigned rows = size.ws_row == 0 ? 24 : size.ws_row, columns = size.ws_col;
    (void)fputs("\033[H", stdout);
    for (unsigned row = 0; row < rows && *text != '\0'; row++) {
        size_t length = strcspn(text, "\n");
        (void)fputs(row == 0 ? "" : "\n", stdout);
        print_line(text, length, columns == 0 ? 80 : columns);
        text += length + (text[length] == '\n');
    }
    (void)fputs("\033[J", stdout);
    return fflush(stdout) == 0;
}

bool screen_wait(const struct screen *screen, double seconds)
{
    struct pollfd ready[] = {{.fd = screen->keys ? STDIN_FILENO : -1, .events = POLLIN},
                             {.fd = screen->signals, .events = POLLIN}};
    char key;
    if (poll(ready, 2, (int)(seconds * 1000)) <= 0)
        return true;
    if (ready[1].revents != 0)
        return false;
    return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q' && key != CONTROL_C;
}
