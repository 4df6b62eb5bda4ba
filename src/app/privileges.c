#include "app/privileges.h"

#include "app/environment.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t privileges_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur;
}

void privileges_forbid_core_dumps(void)
{
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

static bool find_group(gid_t *ret, const char *name, struct error *error)
{
    errno = 0;
    const struct group *found = getgrnam(name);
    if (found == NULL)
        return error_input(error, "group: there is no group \"%s\"", name);
    *ret = found->gr_gid;
    return true;
}

/* --- capabilities(7) ---------------------------------------------------------------------------
 */

/* glibc has no calls for them, and libcap would be there for these alone. */
#define CAPABILITY_WORDS 2

#define RIGHTS_OF_TRANSPARENT ((UINT32_C(1) << CAP_NET_RAW) | (UINT32_C(1) << CAP_NET_ADMIN))

static bool get_capabilities(struct __user_cap_data_struct data[CAPABILITY_WORDS])
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capget, &header, data) == 0;
}

static bool put_capabilities(const struct __user_cap_data_struct data[CAPABILITY_WORDS])
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capset, &header, data) == 0;
}

static bool get_permitted(uint32_t *ret)
{
    struct __user_cap_data_struct data[CAPABILITY_WORDS];
    if (!get_capabilities(data))
        return false;
    *ret = data[0].permitted;
    return true;
}

static bool set_capabilities(uint32_t kept)
{
    const struct __user_cap_data_struct data[CAPABILITY_WORDS] = {
        {.effective = kept, .permitted = kept, .inheritable = 0}};
    return put_capabilities(data);
}

/* Either allows IP_TRANSPARENT (ip(7)). Of the two CAP_NET_RAW lets its holder do less: it cannot
 * change the host's addresses, routes and filters. */
static bool choose_kept(uint32_t *ret, struct error *error)
{
    static const uint32_t wanted[] = {UINT32_C(1) << CAP_NET_RAW, UINT32_C(1) << CAP_NET_ADMIN};
    uint32_t permitted = 0;
    if (!get_permitted(&permitted))
        return error_system(error, errno, "cannot ask for the capabilities");
    *ret = permitted & wanted[0] ? wanted[0] : permitted & wanted[1];
    return *ret != 0 || error_input(error, "transparent needs CAP_NET_RAW or CAP_NET_ADMIN, which "
                                           "this process does not have");
}

/* --- lending -----------------------------------------------------------------------------------
 */

static bool is_ambient(int capability)
{
    return prctl(PR_CAP_AMBIENT, (long)PR_CAP_AMBIENT_IS_SET, (long)capability, 0L, 0L) == 1;
}

static void make_ambient(int capability)
{
    (void)prctl(PR_CAP_AMBIENT, (long)PR_CAP_AMBIENT_RAISE, (long)capability, 0L, 0L);
}

uint32_t privileges_lend(void)
{
    static const int candidates[] = {CAP_NET_RAW, CAP_NET_ADMIN};
    struct __user_cap_data_struct data[CAPABILITY_WORDS];
    uint32_t lent = 0;
    if (geteuid() == 0 || !get_capabilities(data))
        return 0;
    for (size_t i = 0; i < COUNT_OF(candidates); i++)
        if ((data[0].permitted & UINT32_C(1) << candidates[i]) != 0 && !is_ambient(candidates[i]))
            lent |= UINT32_C(1) << candidates[i];
    data[0].inheritable |= lent;
    if (lent == 0 || !put_capabilities(data))
        return 0;
    for (size_t i = 0; i < COUNT_OF(candidates); i++)
        if ((lent & UINT32_C(1) << candidates[i]) != 0)
            make_ambient(candidates[i]);
    return lent;
}

/* What is not inheritable is not ambient either: the kernel sees to that. */
bool privileges_end_loan(uint32_t lent, struct error *error)
{
    struct __user_cap_data_struct data[CAPABILITY_WORDS];
    if (lent == 0)
        return true;
    if (get_capabilities(data)) {
        data[0].inheritable &= ~lent;
        if (put_capabilities(data))
            return true;
    }
    return error_system(error, errno, "cannot take back the capability for transparent");
}

/* What was lent is of use to this process alone, if at all. */
static bool take_loan(bool transparent, struct error *error)
{
    struct __user_cap_data_struct data[CAPABILITY_WORDS];
    uint32_t lent = (uint32_t)environment_number(LOAN_VARIABLE) & RIGHTS_OF_TRANSPARENT;
    (void)unsetenv(LOAN_VARIABLE);
    if (lent == 0)
        return true;
    if (!get_capabilities(data))
        return error_system(error, errno, "cannot ask for the capabilities");
    data[0].inheritable &= ~lent;
    if (!transparent) {
        data[0].permitted &= ~lent;
        data[0].effective &= ~lent;
    }
    return put_capabilities(data) ||
           error_system(error, errno, "cannot give up the capability for transparent");
}

/* --- the user --------------------------------------------------------------------------------- */

/* Whatever fs.suid_dumpable says. To be said in an heir, too: exec forgets it. */
static void hide_memory(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0L);
}

static bool become(const char *user, uid_t uid, gid_t gid, struct error *error)
{
    if (setgroups(0, NULL) != 0 || setgid(gid) != 0)
        return error_system(error, errno, "cannot change to group %u", (unsigned)gid);
    if (user != NULL && (initgroups(user, gid) != 0 || setuid(uid) != 0))
        return error_system(error, errno, "cannot change to user \"%s\"", user);
    /* What was given up must not be to be had again. */
    if (uid != 0 && setuid(0) == 0)
        return error_input(error, "the privileges could be taken back: not going on");
    return true;
}

/* All but `kept` goes with the user; 0 keeps nothing. */
static bool become_keeping(const char *user, uid_t uid, gid_t gid, uint32_t kept,
                           struct error *error)
{
    if (prctl(PR_SET_KEEPCAPS, 1L) != 0)
        return error_system(error, errno, "cannot keep the capability for transparent");
    if (!become(user, uid, gid, error))
        return false;
    /* KEEPCAPS kept all that was permitted, and nothing of it in effect. */
    return set_capabilities(kept) ||
           error_system(error, errno, "cannot keep the capability for transparent");
}

bool privileges_drop(const char *user, const char *group, bool transparent, struct error *error)
{
    uint32_t kept = 0;
    if (!take_loan(transparent, error))
        return false;
    if (user == NULL && group == NULL)
        return true;
    const struct passwd *found = user == NULL ? NULL : getpwnam(user);
    if (found != NULL && geteuid() != 0 && geteuid() == found->pw_uid) {
        hide_memory();
        return true; /* started by a process that has done it (an upgrade) */
    }
    if (geteuid() != 0)
        return error_input(error, "user and group can only be changed when started as root");
    if (user != NULL && found == NULL)
        return error_input(error, "user: there is no user \"%s\"", user);
    uid_t uid = found == NULL ? geteuid() : found->pw_uid;
    gid_t gid = found == NULL ? getegid() : found->pw_gid;
    if (group != NULL && !find_group(&gid, group, error))
        return false;
    bool done = !transparent || uid == 0
                    ? become(user, uid, gid, error)
                    : choose_kept(&kept, error) && become_keeping(user, uid, gid, kept, error);
    if (done)
        hide_memory();
    return done;
}
