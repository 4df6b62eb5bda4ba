# MUXGATE_CHECK_CFLAG(FLAG, VARIABLE): adds FLAG to VARIABLE where the compiler takes it.
# -Werror is given to the probe because clang only warns about flags it does not know.
AC_DEFUN([MUXGATE_CHECK_CFLAG], [
  AS_VAR_PUSHDEF([mg_var], [mg_cv_cflag_$1])
  AC_CACHE_CHECK([whether $CC takes $1], [mg_var], [
    mg_saved="$CFLAGS"
    CFLAGS="$CFLAGS -Werror $1"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([mg_var], [yes])], [AS_VAR_SET([mg_var], [no])])
    CFLAGS="$mg_saved"])
  AS_VAR_IF([mg_var], [yes], [$2="$$2 $1"])
  AS_VAR_POPDEF([mg_var])])

# MUXGATE_WARNINGS: the warnings the whole tree is held to.
AC_DEFUN([MUXGATE_WARNINGS], [
  m4_foreach_w([mg_flag], [-Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wcast-qual -Wwrite-strings -Wpointer-arith
    -Wformat=2 -Wvla -Wundef -Wredundant-decls -Wnull-dereference -Wimplicit-fallthrough
    -Wduplicated-cond -Wduplicated-branches -Wlogical-op -fno-common -fstack-protector-strong],
    [MUXGATE_CHECK_CFLAG(mg_flag, [MG_CFLAGS])])])
