# Third-party libraries: Debian packages and the wheels of .venv (scripts/setup installs both).
set(SALUS_VENV ${PROJECT_SOURCE_DIR}/.venv CACHE PATH "Python environment made by scripts/setup")
file(GLOB site_folders ${SALUS_VENV}/lib/python3*/site-packages)
list(GET site_folders 0 SALUS_SITE)
if(NOT EXISTS ${SALUS_SITE}/torch)
  message(FATAL_ERROR "LibTorch is not in ${SALUS_VENV}: run scripts/setup first, or pass -DSALUS_VENV=DIR")
endif()

find_package(Threads REQUIRED)

find_package(ZLIB REQUIRED)

# --- LibTorch -------------------------------------------------------------------------------
# Declared by hand rather than by find_package(Torch): the wheel's package demands a CUDA toolkit
# and puts its own protobuf and fmt before the system's. -idirafter lets the system's win.
set(SALUS_TORCH ${SALUS_SITE}/torch)
set(torch_includes ${SALUS_TORCH}/include ${SALUS_TORCH}/include/torch/csrc/api/include)
function(salus_torch_library name)
  add_library(${name} SHARED IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${SALUS_TORCH}/lib/lib${name}.so)
endfunction()
salus_torch_library(c10)
salus_torch_library(torch_cpu)
add_library(salus_torch INTERFACE IMPORTED GLOBAL)
foreach(dir ${torch_includes})
  target_compile_options(salus_torch INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${dir}>"
    "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-isystem ${dir}>")
endforeach()
# at::parallel_for is serial, silently, unless compiled with OpenMP; the wheel brings the run-time.
target_compile_options(salus_torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_link_libraries(salus_torch INTERFACE torch_cpu c10 ${SALUS_TORCH}/lib/libgomp.so.1
  Threads::Threads)
target_compile_definitions(salus_torch INTERFACE AT_PARALLEL_OPENMP=1)
set(SALUS_RPATH ${SALUS_TORCH}/lib)
file(GLOB nvidia_libs ${SALUS_SITE}/nvidia/*/lib)
target_link_options(salus_torch INTERFACE "LINKER:-rpath,${SALUS_TORCH}/lib")
foreach(dir ${nvidia_libs})
  target_link_options(salus_torch INTERFACE "LINKER:-rpath-link,${dir}")
endforeach()

# --- Arrow (headers and libraries inside the pyarrow wheel) -----------------------------------
add_library(salus_arrow INTERFACE IMPORTED GLOBAL)
target_compile_options(salus_arrow INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${SALUS_SITE}/pyarrow/include>")
file(GLOB arrow_lib ${SALUS_SITE}/pyarrow/libarrow.so.*)
file(GLOB parquet_lib ${SALUS_SITE}/pyarrow/libparquet.so.*)
target_link_libraries(salus_arrow INTERFACE ${parquet_lib} ${arrow_lib})
target_link_options(salus_arrow INTERFACE "LINKER:-rpath,${SALUS_SITE}/pyarrow")

# --- XGBoost: the wheel's library, opened when trees are trained, by Debian's header -------------
set(SALUS_XGBOOST ${SALUS_SITE}/xgboost/lib/libxgboost.so)
find_path(XGBOOST_INCLUDE xgboost/c_api.h REQUIRED)

# --- Debian packages --------------------------------------------------------------------------
find_path(DCMTK_INCLUDE dcmtk/dcmdata/dctk.h REQUIRED)
add_library(salus_dcmtk INTERFACE IMPORTED GLOBAL)
target_include_directories(salus_dcmtk SYSTEM INTERFACE ${DCMTK_INCLUDE})
target_link_libraries(salus_dcmtk INTERFACE dcmjpeg ijg8 ijg12 ijg16 dcmjpls dcmtkcharls dcmimage
  dcmimgle dcmdata oflog ofstd)

find_path(OPENJPEG_INCLUDE openjpeg.h PATH_SUFFIXES openjpeg-2.5 openjpeg-2.6 REQUIRED)
add_library(salus_openjpeg INTERFACE IMPORTED GLOBAL)
target_include_directories(salus_openjpeg SYSTEM INTERFACE ${OPENJPEG_INCLUDE})
target_link_libraries(salus_openjpeg INTERFACE openjp2)

find_path(OPENCV_INCLUDE opencv2/core.hpp PATH_SUFFIXES opencv4 REQUIRED)
add_library(salus_opencv INTERFACE IMPORTED GLOBAL)
target_include_directories(salus_opencv SYSTEM INTERFACE ${OPENCV_INCLUDE})
target_link_libraries(salus_opencv INTERFACE opencv_imgcodecs opencv_imgproc opencv_core)

find_path(HWY_INCLUDE hwy/highway.h REQUIRED)
add_library(salus_highway INTERFACE IMPORTED GLOBAL)
target_link_libraries(salus_highway INTERFACE hwy)

find_package(tomlplusplus QUIET)
find_path(TOMLPP_INCLUDE toml++/toml.h REQUIRED)
find_path(JSON_INCLUDE nlohmann/json.hpp REQUIRED)
find_path(CLI11_INCLUDE CLI/CLI.hpp REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)

# --- CUDA compiler ----------------------------------------------------------------------------
if(SALUS_CUDA)
  set(SALUS_CUDA_ROOT ${SALUS_SITE}/nvidia/cu13)
  if(NOT EXISTS ${SALUS_CUDA_ROOT}/bin/nvcc)
    message(FATAL_ERROR "nvcc is not in ${SALUS_CUDA_ROOT}: run scripts/setup, or use the preset cpu")
  endif()
  set(CMAKE_CUDA_COMPILER ${SALUS_CUDA_ROOT}/bin/nvcc)
  set(ENV{CUDA_HOME} ${SALUS_CUDA_ROOT})
  set(CUDAToolkit_ROOT ${SALUS_CUDA_ROOT})
  if(SALUS_RELEASE_ARCHS)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 86-real 89-real 90a-real 100-real 120)
  else()
    set(CMAKE_CUDA_ARCHITECTURES 90a-real)
  endif()
  # The wheels put the CUDA libraries into lib/, where nvcc looks into lib64/.
  set(CMAKE_CUDA_FLAGS_INIT "-L${SALUS_CUDA_ROOT}/lib")
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_RUNTIME_LIBRARY None)
  enable_language(CUDA)
  set(CMAKE_CUDA_FLAGS_RELEASE "-O3 -lineinfo")
  salus_torch_library(torch_cuda)
  salus_torch_library(c10_cuda)
  file(GLOB cudart ${SALUS_CUDA_ROOT}/lib/libcudart.so.*)
  add_library(salus_torch_cuda INTERFACE IMPORTED GLOBAL)
  target_include_directories(salus_torch_cuda SYSTEM INTERFACE ${SALUS_CUDA_ROOT}/include)
  target_link_libraries(salus_torch_cuda INTERFACE torch_cuda c10_cuda ${cudart} salus_torch)
  target_link_options(salus_torch_cuda INTERFACE "LINKER:-rpath,${SALUS_CUDA_ROOT}/lib")
  # The very NCCL that torch_cuda has open.
  add_library(salus_nccl SHARED IMPORTED GLOBAL)
  set_target_properties(salus_nccl PROPERTIES
    IMPORTED_LOCATION ${SALUS_SITE}/nvidia/nccl/lib/libnccl.so.2
    INTERFACE_INCLUDE_DIRECTORIES ${SALUS_SITE}/nvidia/nccl/include)
endif()
