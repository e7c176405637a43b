/**
 * Programs that run other programs, or write files, when their arguments say so: a rule about one of them must say
 * `dangerous: true`. By the name of the file, without version numbers at its end (`python3.12`).
 */
const NAMES = [
  // Shells and interpreters.
  'sh bash dash zsh ksh mksh fish csh tcsh ash rbash pwsh powershell cmd',
  'python pypy perl ruby node nodejs deno bun php lua luajit tclsh wish expect guile racket java jshell groovy',
  'osascript awk gawk mawk nawk busybox toybox ed ex vi vim view nvim nano emacs emacsclient sed gdb lldb',
  // Programs whose work is to run another one.
  'env xargs parallel find fd nice ionice nohup setsid stdbuf time timeout chroot unshare nsenter watch script flock',
  'sudo doas su runuser setpriv pkexec run0 systemd-run at batch crontab strace ltrace ld.so start-stop-daemon',
  'taskset chrt prlimit numactl eatmydata fakeroot proot firejail bwrap entr make gmake ninja cmake',
  // Programs with an option, file or pager that runs one.
  'git hg svn tar bsdtar cpio zip unzip rsync ssh scp sftp less more most man systemctl journalctl loginctl',
  'docker podman nerdctl ctr kubectl helm npm npx yarn pnpm pip gem cargo go mvn gradle ansible ansible-playbook',
  'curl wget nmap tcpdump socat nc ncat openssl sort split dd tee install cp mv ln psql mysql sqlite3 apt apt-get',
  'dpkg rpm yum dnf zypper pacman snap flatpak brew wine gcc cc clang as ld m4 sqlplus mutt mail sendmail',
  'chmod chown mount dmsetup insmod modprobe iptables ip logrotate run-parts byobu screen tmux',
].join(' ');

const PROGRAMS = new Set(NAMES.split(' '));

/** Whether a program of this path or name can be talked into running something else. */
export function isDangerousProgram(program: string): boolean {
  const name = (program.split(/[\\/]/).at(-1) ?? '').toLowerCase().replace(/\.exe$/, '');
  return PROGRAMS.has(name) || PROGRAMS.has(name.replace(/[-.\d]+$/, ''));
}
