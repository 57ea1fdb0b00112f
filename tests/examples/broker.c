/* SPDX-License-Identifier: BSD-3-Clause */
/* See broker.h. */
#include "broker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int exit_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int broker_start(struct broker *broker, const char *qdad, const char *modules)
{
	char socket[96], fd[16], word[8] = "";
	int ready[2];

	snprintf(broker->dir, sizeof(broker->dir), "/tmp/qda-test.XXXXXX");
	if (!mkdtemp(broker->dir) || pipe(ready))
		return -1;
	snprintf(socket, sizeof(socket), "%s/qdad.sock", broker->dir);
	setenv("QDAD_SOCKET", socket, 1);
	snprintf(fd, sizeof(fd), "%d", ready[1]);
	broker->pid = fork();
	if (broker->pid == 0) {
		close(ready[0]);
		execl(qdad, qdad, "--user", "--config", "/dev/null", "--socket", socket,
		      "--modules", modules, "--ready-fd", fd, NULL);
		_exit(127);
	}
	close(ready[1]);
	if (broker->pid < 0 || read(ready[0], word, 6) != 6 || strcmp(word, "ready\n"))
		return -1;
	close(ready[0]);
	return 0;
}

int broker_stop(struct broker *broker)
{
	int status;
	pid_t pid;

	kill(broker->pid, SIGTERM);
	status = exit_status(broker->pid);
	pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-r", broker->dir, NULL);
		_exit(127);
	}
	return status ? status : exit_status(pid);
}

static void redirect(const char *path, int to)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || dup2(fd, to) < 0)
		_exit(126);
}

int broker_run(const struct broker *broker, char *const *argv, const char *out, const char *err)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (chdir(broker->dir))
			_exit(126);
		redirect(out, STDOUT_FILENO);
		redirect(err, STDERR_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	return pid < 0 ? -1 : exit_status(pid);
}

char *file_read(const char *path, size_t *size)
{
	FILE *file = fopen(path, "re");
	char *data = NULL;
	long n;

	if (!file)
		return NULL;
	if (!fseek(file, 0, SEEK_END) && (n = ftell(file)) >= 0 && (data = malloc((size_t)n + 1))) {
		rewind(file);
		*size = fread(data, 1, (size_t)n, file);
		data[*size] = 0;
	}
	fclose(file);
	return data;
}
